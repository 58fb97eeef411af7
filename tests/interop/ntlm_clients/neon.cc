// neon, Subversion's and davfs2's HTTP library of old.
//
//   neon PORT PATH DOMAIN\USER PASSWORD
//
// Prints the status of the last answer and its X-Auth-User. Its Negotiate asks the GSS-API for the
// default mechanism, which is Kerberos, and so never does NTLM.
#include <neon/ne_auth.h>
#include <neon/ne_request.h>
#include <neon/ne_session.h>
#include <neon/ne_socket.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>

namespace {

// say_who gives the name and password of main's arguments, once.
int say_who(void* arguments, const char*, int attempt, char* user, char* password) {
  char* const* const argv = static_cast<char**>(arguments);
  std::snprintf(user, NE_ABUFSIZ, "%s", argv[3]);
  std::snprintf(password, NE_ABUFSIZ, "%s", argv[4]);
  return attempt;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    std::cerr << "usage: neon PORT PATH DOMAIN\\USER PASSWORD\n";
    return 2;
  }
  ne_sock_init();
  ne_session* const session =
      ne_session_create("http", "127.0.0.1", static_cast<unsigned>(std::atoi(argv[1])));
  ne_add_server_auth(session, NE_AUTH_NTLM, say_who, argv);
  ne_request* const request = ne_request_create(session, "GET", argv[2]);
  ne_request_dispatch(request);
  const char* const user = ne_get_response_header(request, "X-Auth-User");
  std::cout << ne_get_status(request)->code << ' ' << (user == nullptr ? "" : user) << '\n';
  ne_request_destroy(request);
  ne_session_destroy(session);
  ne_sock_exit();
}

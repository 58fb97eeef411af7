// Frames on a socket, for the two servers that wait for each: a length of four bytes, the lowest
// first, and as many bytes. C and C++.
#pragma once

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <sspi.h>
#include <windows.h>

#define FRAME_HEAD_SIZE 4u

// send_all sends all of `bytes`; FALSE and errno if that cannot be done.
static inline BOOL send_all(int socket, const void* bytes, DWORD size, int flags) {
  const BYTE* next = (const BYTE*)bytes;
  while (size > 0) {
    const ssize_t sent = send(socket, next, size, flags | MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno == EINTR) {
        continue;
      }
      return FALSE;
    }
    next += sent;
    size -= (DWORD)sent;
  }
  return TRUE;
}

// send_frame sends what the buffers hold, one after the other, as one frame. NULL, or why it could
// not.
static inline const char* send_frame(int socket, const SecBuffer* buffers, DWORD count) {
  DWORD size = 0;
  for (DWORD i = 0; i < count; ++i) {
    size += buffers[i].cbBuffer;
  }
  const BYTE head[FRAME_HEAD_SIZE] = {(BYTE)size, (BYTE)(size >> 8), (BYTE)(size >> 16),
                                      (BYTE)(size >> 24)};
  // MSG_MORE: the kernel waits for the rest, instead of sending several small packets.
  BOOL sent = send_all(socket, head, sizeof head, size > 0 ? MSG_MORE : 0);
  for (DWORD i = 0; sent && i < count; ++i) {
    size -= buffers[i].cbBuffer;
    sent = send_all(socket, buffers[i].pvBuffer, buffers[i].cbBuffer, size > 0 ? MSG_MORE : 0);
  }
  return sent ? NULL : strerror(errno);
}

// receive_all returns how much came: `size`, or less if the peer has closed its end; or -1.
static inline ssize_t receive_all(int socket, BYTE* bytes, DWORD size) {
  DWORD have = 0;
  while (have < size) {
    const ssize_t got = recv(socket, bytes + have, size - have, 0);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got <= 0) {
      return got < 0 ? -1 : (ssize_t)have;
    }
    have += (DWORD)got;
  }
  return (ssize_t)have;
}

// receive_frame takes the next frame, whose contents go to `frame` and their size to *size. NULL;
// or "" if the peer has closed the connection between two frames; or what is wrong, and then the
// connection is of no use any more.
static inline const char* receive_frame(int socket, BYTE* frame, DWORD room, DWORD* size) {
  BYTE head[FRAME_HEAD_SIZE];
  ssize_t got = receive_all(socket, head, sizeof head);
  if (got == 0) {
    return "";
  }
  *size = 0;
  if (got == sizeof head) {
    *size = head[0] | (DWORD)head[1] << 8 | (DWORD)head[2] << 16 | (DWORD)head[3] << 24;
    if (*size > room) {  // Looked at before anything is done with it.
      return "a frame is too long";
    }
    got = receive_all(socket, frame, *size);
    if (got == (ssize_t)*size) {
      return NULL;
    }
  }
  if (got < 0) {
    return errno == EAGAIN ? "nothing came for too long" : strerror(errno);
  }
  return "the connection ended inside a frame";
}

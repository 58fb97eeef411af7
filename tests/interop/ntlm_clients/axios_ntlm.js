// axios with axios-ntlm. NODE_PATH says where they are.
//
//   axios_ntlm.js URL USER PASSWORD [DOMAIN]
//
// Prints the status of the last answer and its X-Auth-User. Without DOMAIN, the client takes the
// one of the CHALLENGE for the user's.
"use strict";

const { NtlmClient } = require("axios-ntlm");

const [url, username, password, domain] = process.argv.slice(2);
const client = NtlmClient({ username, password, domain }, { proxy: false, timeout: 30000 });

function print(answer) {
  console.log(answer.status, answer.headers["x-auth-user"] || "");
}

client.get(url).then(print, (error) => {
  if (error.response) {
    print(error.response);
  } else {
    console.log(`${error}`);
  }
});

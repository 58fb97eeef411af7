// httpntlm. NODE_PATH says where it is.
//
//   httpntlm.js URL USER PASSWORD DOMAIN
//
// Prints the status of the last answer and its X-Auth-User.
"use strict";

const httpntlm = require("httpntlm");

const [url, username, password, domain] = process.argv.slice(2);
httpntlm.get({ url, username, password, domain, timeout: 30000 }, (error, answer) => {
  console.log(error ? `${error}` : `${answer.statusCode} ${answer.headers["x-auth-user"] || ""}`);
});

#!/usr/bin/python3
"""requests with requests-ntlm.

usage: with_requests.py URL DOMAIN\\USER PASSWORD

Prints the status of the last answer and its X-Auth-User. MD4 is in OpenSSL's legacy provider, which
OPENSSL_CONF has to turn on.
"""

import sys

import requests
from requests_ntlm import HttpNtlmAuth

url, user, password = sys.argv[1:]
answer = requests.get(url, auth=HttpNtlmAuth(user, password), timeout=30)
print(answer.status_code, answer.headers.get("X-Auth-User", ""))

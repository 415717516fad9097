"""Logs in as the Python client of the Argo Messaging Service does: a GET with a client
certificate, whose answer has the key for the header x-api-key. Prints the user's name and
the key."""

import http.client
import json
import ssl
import sys

login, api, ca, cert, key, path = sys.argv[1:]


def get(address, path, context, headers):
    conn = http.client.HTTPSConnection(address, context=context, timeout=30)
    conn.request("GET", path, headers=headers)
    response = conn.getresponse()
    body = response.read()
    if response.status != 200:
        error = json.loads(body)["error"]
        sys.exit(f"{error['code']} {error['status']}: {error['message']}")
    return json.loads(body)


mutual = ssl.create_default_context(cafile=ca)
mutual.load_cert_chain(cert, key)
token = get(login, path, mutual, {"Content-Type": "application/json"})["token"]
profile = get(api, "/v1/users/profile", ssl.create_default_context(cafile=ca), {"x-api-key": token})
print(profile["name"], token)

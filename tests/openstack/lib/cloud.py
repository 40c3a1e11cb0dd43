"""A client of the cloud for the scripts beside it: requests as they are sent, answers as they come. Nothing but the standard library."""

import http.client
import json
import time

# Where the services listen, and what comes before the version in their paths at a practice cloud.
PORTS = {"identity": 5000, "compute": 8774, "image": 9292, "network": 9696, "placement": 8778}


class Answer:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    def json(self):
        return json.loads(self.body)

    def __str__(self):
        return f"{self.status} {self.body[:400].decode(errors='replace')}"


class Cloud:
    """One user's view of the cloud at an address."""

    def __init__(self, address, token=None):
        self.address = address
        self.token = token
        self.version = "2.79"

    def url(self, service):
        return f"http://{self.address}:{PORTS[service]}"

    def send(self, method, service, path, body=None, headers=None):
        """`path` begins behind the port. A body that is no text or bytes is sent as JSON."""
        fields = {"accept": "application/json"}
        if self.token:
            fields["x-auth-token"] = self.token
        if service == "compute" and self.version:
            fields["openstack-api-version"] = f"compute {self.version}"
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
            fields["content-type"] = "application/json"
        fields.update(headers or {})
        # A header without a value is left out.
        fields = {name: value for name, value in fields.items() if value is not None}
        connection = http.client.HTTPConnection(self.address, PORTS[service], timeout=180)
        try:
            connection.request(method, path, body=body, headers=fields)
            reply = connection.getresponse()
            names = [(name.lower(), value) for name, value in reply.getheaders()]
            return Answer(reply.status, names, reply.read())
        finally:
            connection.close()

    def good(self, method, service, path, body=None, headers=None):
        """The answer to a request that has to succeed."""
        answer = self.send(method, service, path, body, headers)
        if not 200 <= answer.status < 300:
            raise SystemExit(f"{method} {service} {path}: {answer}")
        return answer

    def get(self, service, path):
        return self.good("GET", service, path).json()

    def post(self, service, path, body):
        answer = self.good("POST", service, path, body)
        return answer.json() if answer.body else None



def log_in(address, user, password, project):
    """A client with a token for this project."""
    cloud = Cloud(address)
    domain = {"id": "default"}
    identity = {"methods": ["password"], "password": {"user": {"name": user, "domain": domain, "password": password}}}
    body = {"auth": {"identity": identity, "scope": {"project": {"name": project, "domain": domain}}}}
    answer = cloud.good("POST", "identity", "/v3/auth/tokens", body)
    cloud.token = dict(answer.headers)["x-subject-token"]
    cloud.project = answer.json()["token"]["project"]["id"]
    cloud.user = answer.json()["token"]["user"]["id"]
    return cloud


def until(seconds, what, condition):
    """Asks until the answer is something, and returns that."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise SystemExit(f"{what}: not within {seconds} s")
        time.sleep(0.3)

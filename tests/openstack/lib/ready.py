"""Waits until the cloud would boot a server: every service of Nova reports, its host is known to the scheduler, the others answer.

usage: ready.py ADDRESS PASSWORD
"""

import sys

from cloud import log_in, until


def main():
    address, password = sys.argv[1:]
    admin = until(120, "the identity service", lambda: attempt(lambda: log_in(address, "admin", password, "admin")))

    def answers(service, path):
        return lambda: attempt(lambda: admin.send("GET", service, path).status == 200)

    until(120, "the image service", answers("image", "/v2/images?limit=1"))
    until(120, "the network service", answers("network", "/v2.0/networks"))
    until(120, "the placement service", answers("placement", "/resource_providers"))

    def nova():
        services = admin.get("compute", "/v2.1/os-services")["services"]
        return {service["binary"] for service in services if service["state"] == "up"} >= {"nova-conductor", "nova-scheduler", "nova-compute"}

    until(180, "the services of Nova", lambda: attempt(nova))
    until(180, "the host of Nova", lambda: attempt(lambda: admin.get("placement", "/resource_providers")["resource_providers"]))


def attempt(action):
    try:
        return action()
    except (OSError, SystemExit, KeyError, ValueError):
        return None


main()

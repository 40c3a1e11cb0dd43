"""What is in the cloud: services and their endpoints, a project with a user, images, flavours and networks.

All of it is named as in a practice cloud, so that the same requests can be sent to both. usage: furnish.py ADDRESS PASSWORD
"""

import struct
import sys

from cloud import log_in, until

SERVICES = {
    "glance": ("image", ":9292"),
    "placement": ("placement", ":8778"),
    "nova": ("compute", ":8774/v2.1"),
    "neutron": ("network", ":9696"),
}

# Name, os_distro, os_version; oldest first. Two have one name, and the first is deactivated.
IMAGES = [
    ("Fedora 43 Beta", "fedora", "43"),
    ("Debian 12", "debian", "12"),
    ("Ubuntu 24.04 LTS", "ubuntu", "24.04"),
    ("Ubuntu 24.04 LTS", "ubuntu", "24.04"),
    ("Ubuntu 24.04", "ubuntu", "24.04"),
    ("Fedora 43", "fedora", "43"),
    ("Debian 13", "debian", "13"),
    ("Fedora 44", "fedora", "44"),
    ("Ubuntu 26.04", "ubuntu", "26.04"),
    ("Arch Linux", "arch", "rolling"),
]

# Id, name, cores, MiB of memory, GiB of disk. The last is in no practice cloud: no host is large enough for it.
FLAVORS = [
    ("1", "m1.tiny", 1, 512, 1),
    ("2", "m1.small", 1, 2048, 20),
    ("3", "m1.medium", 2, 4096, 40),
    ("4", "m1.large", 4, 8192, 80),
    ("5", "m1.xlarge", 8, 16384, 160),
    ("d1", "ds1.diskless", 1, 1024, 0),
    ("giant", "x1.giant", 1, 512, 100_000_000),
]


def endpoints(admin):
    for name, (kind, path) in SERVICES.items():
        service = admin.post("identity", "/v3/services", {"service": {"name": name, "type": kind}})["service"]["id"]
        for interface in ("admin", "internal", "public"):
            url = f"http://{admin.address}{path}"
            admin.post("identity", "/v3/endpoints", {"endpoint": {
                "service_id": service, "interface": interface, "region_id": "RegionOne", "url": url,
            }})  # fmt: skip


def accounts(admin, password):
    roles = {role["name"]: role["id"] for role in admin.get("identity", "/v3/roles")["roles"]}
    roles["service"] = admin.post("identity", "/v3/roles", {"role": {"name": "service"}})["role"]["id"]

    def project(name):
        return admin.post("identity", "/v3/projects", {"project": {"name": name, "domain_id": "default"}})["project"]["id"]

    def user(name, secret, where, *names):
        body = {"user": {"name": name, "password": secret, "domain_id": "default", "default_project_id": where}}
        user = admin.post("identity", "/v3/users", body)["user"]["id"]
        for role in names:
            admin.good("PUT", "identity", f"/v3/projects/{where}/users/{user}/roles/{roles[role]}")

    service = project("service")
    for name in SERVICES:
        user(name, password, service, "admin", "service")
    user("practice", "practice-password", project("practice"), "member")


def images(admin):
    for number, (name, distro, version) in enumerate(IMAGES):
        image = admin.post("image", "/v2/images", {
            "name": name, "disk_format": "qcow2", "container_format": "bare", "visibility": "public",
            "min_disk": 4, "min_ram": 512, "os_distro": distro, "os_version": version,
        })["id"]  # fmt: skip
        # The header of an empty disk of 4 GiB: nothing ever starts from it.
        disk = struct.pack(">4sIQIIQIIQQIIQ", b"QFI\xfb", 2, 0, 0, 16, 4 << 30, 0, 8, 65536, 131072, 1, 0, 0).ljust(262144, b"\0")
        admin.good("PUT", "image", f"/v2/images/{image}/file", disk, {"content-type": "application/octet-stream"})
        if number == 0:
            admin.good("POST", "image", f"/v2/images/{image}/actions/deactivate")


def flavors(admin):
    for identifier, name, cores, memory, disk in FLAVORS:
        admin.post("compute", "/v2.1/flavors", {"flavor": {
            "id": identifier, "name": name, "vcpus": cores, "ram": memory, "disk": disk,
        }})  # fmt: skip


def networks(admin, practice):
    outside = admin.post("network", "/v2.0/networks", {"network": {
        "name": "public", "router:external": True, "provider:network_type": "flat", "provider:physical_network": "outside",
    }})["network"]["id"]  # fmt: skip
    admin.post("network", "/v2.0/subnets", {"subnet": {
        "network_id": outside, "name": "public-subnet", "ip_version": 4, "cidr": "198.18.0.0/16", "enable_dhcp": False,
    }})  # fmt: skip
    inside = practice.post("network", "/v2.0/networks", {"network": {"name": "private"}})["network"]["id"]
    router = practice.post("network", "/v2.0/routers", {"router": {
        "name": "router", "external_gateway_info": {"network_id": outside},
    }})["router"]["id"]  # fmt: skip
    ranges = [
        {"name": "private-subnet", "ip_version": 4, "cidr": "10.77.0.0/16"},
        {"name": "ipv6-private-subnet", "ip_version": 6, "cidr": "2001:db8:77::/64", "ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"},
    ]
    for subnet in ranges:
        subnet = practice.post("network", "/v2.0/subnets", {"subnet": {"network_id": inside, **subnet}})["subnet"]
        practice.good("PUT", "network", f"/v2.0/routers/{router}/add_router_interface", {"subnet_id": subnet["id"]})


def credential(practice):
    practice.post("identity", f"/v3/users/{practice.user}/application_credentials", {"application_credential": {
        "name": "bootmachine", "secret": "practice-application-credential-secret",
    }})  # fmt: skip


def main():
    address, password = sys.argv[1:]
    admin = log_in(address, "admin", password, "admin")
    endpoints(admin)
    accounts(admin, password)
    # What was started before it had an account tries again by itself.
    until(120, "the image service", lambda: admin.send("GET", "image", "/v2/images").status == 200)
    until(120, "the network service", lambda: admin.send("GET", "network", "/v2.0/networks").status == 200)
    until(120, "the compute service", lambda: admin.send("GET", "compute", "/v2.1/flavors").status == 200)
    images(admin)
    flavors(admin)
    practice = log_in(address, "practice", "practice-password", "practice")
    networks(admin, practice)
    credential(practice)


main()

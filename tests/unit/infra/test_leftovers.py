from __future__ import annotations

from pathlib import Path

from infra.leftovers import labs_by_mounts
from infra.mounts import Mount, _mount


def overlay(lab: str, host: str = "db1", *, upper: str | None = None) -> Mount:
    place = f"{lab}/hosts/{host}"
    options = f"rw,relatime,lowerdir=/i/base,upperdir={upper or place + '/upper'},workdir={place}/work"
    return _mount(f"overlay {place}/root overlay {options} 0 0")


def test_a_lab_is_known_by_the_shape_of_its_hosts_file_systems() -> None:
    volume = _mount("/dev/loop3 /srv/a/lab/hosts/db1/volume ext4 rw,relatime 0 0")
    mounted = [overlay("/srv/a/lab"), overlay("/srv/a/lab", "db2"), volume, overlay("/home/my\\040own/lab")]
    assert labs_by_mounts(mounted) == {Path("/srv/a/lab"), Path("/home/my own/lab")}


def test_nobody_elses_overlay_is_taken_for_a_lab() -> None:
    docker = "rw,lowerdir=/l,upperdir=/var/lib/docker/overlay2/x/diff,workdir=/var/lib/docker/overlay2/x/work"
    strangers = [
        _mount(f"overlay /var/lib/docker/overlay2/x/merged overlay {docker} 0 0"),
        overlay("/srv/laboratory"),
        overlay("/srv/lab", upper="/elsewhere/upper"),
        _mount("tmpfs /srv/lab/hosts/db1/root tmpfs rw,upperdir=/srv/lab/hosts/db1/upper 0 0"),
        _mount("overlay /root overlay rw,upperdir=/upper,workdir=/work 0 0"),
    ]
    assert labs_by_mounts(strangers) == set()

"""Who asks: the peer, or what a named proxy says, and nothing that a stranger wrote."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netra_backend.app.client_address import UNKNOWN, client_address, client_scheme, network_of
from netra_backend.app.settings import BadSetting, Settings, load_settings

PROXIES = "127.0.0.1, 10.0.0.0/8,fd00::/8"


def asked(peer: str | None, *headers: tuple[str, str], by: str = "x-forwarded-for", proxies: str = PROXIES) -> str:
    return client_address(scope(peer, *headers), settings(by, proxies))


def scope(peer: str | None, *headers: tuple[str, str]) -> dict[str, object]:
    encoded = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
    return {"client": (peer, 5) if peer is not None else None, "headers": encoded}


def settings(by: str = "x-forwarded-for", proxies: str = PROXIES) -> Settings:
    return Settings(trusted_proxies=proxies, proxy_header=by)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("peer", "told", "who"),
    [
        ("192.0.2.1", "198.51.100.1", "192.0.2.1"),  # no proxy of ours
        ("127.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("127.0.0.1", "6.6.6.6, 198.51.100.1", "198.51.100.1"),  # the left part is the client's own invention
        ("127.0.0.1", "6.6.6.6, 198.51.100.1, 10.1.2.3, fd00::5", "198.51.100.1"),
        ("127.0.0.1", "10.1.2.3, 10.4.5.6", "10.1.2.3"),  # everybody is a proxy: the first of them
        ("127.0.0.1", "6.6.6.6, unknown, 10.4.5.6", "10.4.5.6"),
        ("127.0.0.1", "6.6.6.6, , 10.4.5.6", "10.4.5.6"),
        ("127.0.0.1", "", "127.0.0.1"),
        ("127.0.0.1", "nonsense", "127.0.0.1"),
        ("127.0.0.1", "198.51.100.1:4711", "198.51.100.1"),
        ("127.0.0.1", "[2001:db8::1]:4711", "2001:db8::1"),
        ("127.0.0.1", "2001:DB8:0::1", "2001:db8::1"),
        ("127.0.0.1", "::ffff:198.51.100.1", "198.51.100.1"),
        ("::ffff:127.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("127.0.0.1", "fe80::1%eth0", "fe80::1"),
        ("127.0.0.1", "198.51.100.1%0a", "198.51.100.1"),
        ("127.0.0.1", "\u0661\u0662.0.0.1".encode().decode("latin-1"), "127.0.0.1"),
        (None, "198.51.100.1", UNKNOWN),
    ],
)
def test_the_right_most_address_that_is_no_proxy_of_ours_counts(peer: str | None, told: str, who: str) -> None:
    assert asked(peer, ("X-Forwarded-For", told)) == who


def test_a_header_on_several_lines_is_one_list() -> None:
    lines = [("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-For", "198.51.100.1"), ("X-Forwarded-For", "10.0.0.1")]
    assert asked("127.0.0.1", *lines) == "198.51.100.1"


def test_without_named_proxies_nobody_is_believed() -> None:
    assert asked("127.0.0.1", ("X-Forwarded-For", "198.51.100.1"), proxies="") == "127.0.0.1"
    assert client_scheme(scope("127.0.0.1", ("X-Forwarded-Proto", "https")), settings(proxies="")) is None


def test_the_header_that_the_proxy_does_not_write_itself_is_not_read() -> None:
    both = [("Forwarded", "for=6.6.6.6"), ("X-Forwarded-For", "198.51.100.1")]
    assert asked("127.0.0.1", *both) == "198.51.100.1"
    assert asked("127.0.0.1", *both, by="forwarded") == "6.6.6.6"


@pytest.mark.parametrize(
    ("told", "who"),
    [
        ("for=198.51.100.1", "198.51.100.1"),
        ('For="[2001:db8::1]:4711";proto=https', "2001:db8::1"),
        ("for=6.6.6.6, for=198.51.100.1;by=10.0.0.1 , for=10.0.0.1", "198.51.100.1"),
        ('for="198.51.100.1"', "198.51.100.1"),
        ("for=6.6.6.6, for=_hidden", "127.0.0.1"),
        ("for=6.6.6.6, proto=https", "127.0.0.1"),
        # What a client leaves open can't swallow what the proxy wrote behind it, nor move it.
        ('for=6.6.6.6;x=", for=198.51.100.1', "198.51.100.1"),
        ('for=6.6.6.6;x=", for="[2001:db8::1]"', "127.0.0.1"),
        ("for=6.6.6.6 for=7.7.7.7", "127.0.0.1"),
        ('for="a\\"b, for=6.6.6.6"', "127.0.0.1"),
        (";;,,", "127.0.0.1"),
    ],
)
def test_forwarded_is_read_as_its_rfc_says(told: str, who: str) -> None:
    assert asked("127.0.0.1", ("Forwarded", told), by="forwarded") == who


@given(
    told=st.text(st.characters(max_codepoint=255), max_size=200), by=st.sampled_from(["x-forwarded-for", "forwarded"])
)
def test_whatever_a_client_sends_it_is_who_the_proxy_saw(told: str, by: str) -> None:
    """A proxy that adds a line of its own is believed, whatever the client wrote in the lines before."""
    mine = "198.51.100.1" if by == "x-forwarded-for" else "for=198.51.100.1"
    assert asked("127.0.0.1", (by, told), (by, mine), by=by) == "198.51.100.1"
    if by == "x-forwarded-for":
        assert asked("127.0.0.1", (by, f"{told}, {mine}"), by=by) == "198.51.100.1"


def test_the_scheme_comes_from_the_same_proxies() -> None:
    assert client_scheme(scope("127.0.0.1", ("X-Forwarded-Proto", "HTTPS")), settings()) == "https"
    assert client_scheme(scope("127.0.0.1", ("X-Forwarded-Proto", "https,http")), settings()) == "http"
    assert client_scheme(scope("127.0.0.1", ("X-Forwarded-Proto", "gopher")), settings()) is None
    assert client_scheme(scope("192.0.2.1", ("X-Forwarded-Proto", "https")), settings()) is None
    told = "for=6.6.6.6;proto=http, for=198.51.100.1;proto=https, for=10.0.0.1;proto=http"
    assert client_scheme(scope("127.0.0.1", ("Forwarded", told)), settings("forwarded")) == "https"


def test_a_customer_of_an_ipv6_provider_is_one_address() -> None:
    assert network_of("2001:db8::1") == network_of("2001:db8:0:0:ffff::9") != network_of("2001:db8:0:1::1")
    assert network_of("192.0.2.1") == "192.0.2.1"
    assert network_of(UNKNOWN) == UNKNOWN


@pytest.mark.parametrize(
    ("proxies", "why"),
    [
        ("10.0.0.1/8", r"NETRA_TRUSTED_PROXIES.*beyond its prefix; write 10\.0\.0\.0/8"),
        ("10.0.0.300", "NETRA_TRUSTED_PROXIES.*neither an address nor a network"),
        ("proxy.example", "neither an address nor a network"),
        ("*", "neither an address nor a network"),
        ("0.0.0.0/0", "everybody"),
        ("::/0", "everybody"),
    ],
)
def test_a_proxy_that_cannot_be_named_so_says_why(proxies: str, why: str) -> None:
    with pytest.raises(BadSetting, match=why):
        load_settings(trusted_proxies=proxies)


def test_proxies_come_from_the_environment_and_from_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setenv("NETRA_TRUSTED_PROXIES", PROXIES)
    assert [str(each) for each in load_settings(data_dir=tmp_path).trusted_proxies] == [
        "127.0.0.1/32",
        "10.0.0.0/8",
        "fd00::/8",
    ]
    monkeypatch.delenv("NETRA_TRUSTED_PROXIES")
    (tmp_path / "netra.toml").write_text('trusted_proxies = ["10.0.0.0/8", "::1"]\n')
    assert [str(each) for each in load_settings(data_dir=tmp_path).trusted_proxies] == ["10.0.0.0/8", "::1/128"]

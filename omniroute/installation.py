"""One installation: its data directory, its keys, and what they are used for.

Contract: `Installation.open(data_dir, create=True)` is called by the process that may make a new
installation; all others open with `create=False` and find it complete. Keys are made once. A key
that is missing while data encrypted with it may exist is an error that says so: making another one
would turn every stored credential into noise without a word.

Invariants:
- the directory has mode 0700 and every file in it 0600; wider modes are tightened, and where that
  is not ours to do, opening is refused;
- a key file appears whole or not at all, and is overwritten by nothing but a rotation;
- a ciphertext names the key that made it, so keys can be rotated: `encryption.key` holds one key a
  line, the first encrypts, all decrypt (`omniroute rotate-key`).

`OMNIROUTE_ENCRYPTION_KEY` (32 bytes as 64 hex digits) in the environment stands in for the file.
The `cryptography` package is imported at the first use, since that takes 30 ms.
"""

import base64
import binascii
import errno
import hmac
import os
import secrets
import stat
import string
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES: Final = 32  # AES-256, HMAC-SHA-256
KEY_VARIABLE: Final = "OMNIROUTE_ENCRYPTION_KEY"

# Record: version, id of the key, nonce (NIST SP 800-38D: 96 random bits), ciphertext with tag.
_RECORD_VERSION: Final = b"\x01"
_KEY_ID_BYTES: Final = 8
_NONCE_BYTES: Final = 12
_HEAD_BYTES: Final = 1 + _KEY_ID_BYTES
_TAG_BYTES: Final = 16

_API_KEY_PREFIX: Final = "sk-omni-"
_API_KEY_LETTERS: Final = 40  # of 62: 238 bits
_OWN_NAMES: Final = frozenset({"encryption.key", "signing.key", "admin.token", "omniroute.toml"})


class InstallationError(Exception):
    """The data directory cannot be used as it is; the message says why and what to do."""


class Installation:
    """The keys and paths of one data directory. Open it with `Installation.open`."""

    def __init__(
        self,
        data_dir: Path,
        *,
        encryption_keys: tuple[bytes, ...],
        signing_key: bytes,
        admin_token: str,
        fresh: bool,
    ) -> None:
        self.data_dir = data_dir
        self.admin_token = admin_token
        self.fresh = fresh
        self._keys = {key_id(key): key for key in encryption_keys}
        self._current_id = key_id(encryption_keys[0])
        self._ciphers: dict[bytes, AESGCM] = {}
        self._signing_key = signing_key
        self.instance_id = hmac.digest(signing_key, b"instance", "sha256").hex()[:16]
        """Names this installation in `Via`; the same in all its processes, and no secret."""

    @classmethod
    def open(
        cls, data_dir: Path, *, create: bool, environment: Mapping[str, str] | None = None
    ) -> "Installation":
        """Open, and with `create` complete, the installation in `data_dir`.

        `environment` defaults to the process's own. Raises InstallationError.
        """
        env = os.environ if environment is None else environment
        encryption_file = data_dir / "encryption.key"
        signing_file = data_dir / "signing.key"
        token_file = data_dir / "admin.token"
        given_key = env.get(KEY_VARIABLE, "").strip()
        if create:
            prepare_data_dir(data_dir)
            needed = [signing_file] if given_key else [encryption_file, signing_file]
            _refuse_lost_keys(data_dir, needed)
        fresh = create and not signing_file.exists()
        if create:
            if not given_key:
                _create_once(encryption_file, _encode_key(secrets.token_bytes(KEY_BYTES)))
            # No stored data depends on the token, so a lost one may be made anew.
            _create_once(token_file, secrets.token_urlsafe(32).encode() + b"\n")
            _create_once(signing_file, _encode_key(secrets.token_bytes(KEY_BYTES)))
            _tighten_files(data_dir)
        return cls(
            data_dir,
            encryption_keys=_decode_given(given_key)
            if given_key
            else _decode_keys(encryption_file),
            signing_key=_decode_keys(signing_file)[0],
            admin_token=_read(token_file).decode("ascii", "replace").strip(),
            fresh=fresh,
        )

    @classmethod
    def ephemeral(cls, data_dir: Path) -> "Installation":
        """An installation of random keys that touches no file: for checks and tests."""
        return cls(
            data_dir,
            encryption_keys=(secrets.token_bytes(KEY_BYTES),),
            signing_key=secrets.token_bytes(KEY_BYTES),
            admin_token=secrets.token_urlsafe(32),
            fresh=False,
        )

    @property
    def lmdb_dir(self) -> Path:
        return self.data_dir / "state.lmdb"

    @property
    def database(self) -> Path:
        return self.data_dir / "omniroute.sqlite"

    @property
    def spool(self) -> Path:
        return self.data_dir / "spool"

    @property
    def control_socket(self) -> Path:
        return self.data_dir / "control.sock"

    def encrypt(self, plain: bytes) -> bytes:
        """A record that only `decrypt` of this installation opens; another one at each call."""
        head = _RECORD_VERSION + self._current_id
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return head + nonce + self._cipher(self._current_id).encrypt(nonce, plain, head)

    def decrypt(self, record: bytes) -> bytes:
        """What `encrypt` was given. Raises InstallationError: foreign key, or altered bytes."""
        from cryptography.exceptions import InvalidTag

        head, rest = record[:_HEAD_BYTES], record[_HEAD_BYTES:]
        if len(rest) < _NONCE_BYTES + _TAG_BYTES or head[:1] != _RECORD_VERSION:
            raise InstallationError("stored secret is damaged: it is not an encrypted record")
        owner = head[1:]
        if owner not in self._keys:
            raise InstallationError(
                f"stored secret was encrypted with the key {owner.hex()}, which is not among this "
                f"installation's ({', '.join(known.hex() for known in self._keys)}); add it as a "
                "further line to encryption.key"
            )
        try:
            return self._cipher(owner).decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], head)
        except InvalidTag as error:
            raise InstallationError("stored secret is damaged: its seal does not match") from error

    def key_digest(self, presented: bytes) -> bytes:
        """What is stored and looked up in place of an API key: HMAC-SHA-256, 32 bytes."""
        return hmac.digest(self._signing_key, presented, "sha256")

    def new_api_key(self) -> str:
        """A fresh API key for a client. It is not stored here."""
        letters = string.ascii_letters + string.digits
        return _API_KEY_PREFIX + "".join(secrets.choice(letters) for _ in range(_API_KEY_LETTERS))

    def _cipher(self, owner: bytes) -> "AESGCM":
        if owner not in self._ciphers:
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM

            self._ciphers[owner] = AESGCM(self._keys[owner])
        return self._ciphers[owner]


def add_encryption_key(data_dir: Path, environment: Mapping[str, str] | None = None) -> None:
    """Make another encryption key, which encrypts from now on; those there are go on decrypting.

    For nobody else has the installation open. Raises InstallationError.
    """
    env = os.environ if environment is None else environment
    if env.get(KEY_VARIABLE, "").strip():
        raise InstallationError(
            f"the encryption key is given by {KEY_VARIABLE}, so it is not this program's to "
            "change. Write it in base64 into encryption.key, unset the variable, and try again"
        )
    file = data_dir / "encryption.key"
    known = _decode_keys(file)
    _replace(file, (secrets.token_bytes(KEY_BYTES), *known))


def drop_old_keys(data_dir: Path) -> int:
    """Keep only the key that encrypts; returns how many are gone. Raises InstallationError."""
    file = data_dir / "encryption.key"
    current, *old = _decode_keys(file)
    _replace(file, (current,))
    return len(old)


def key_id(key: bytes) -> bytes:
    """The public name of an encryption key; it tells nothing about the key."""
    return hmac.digest(key, b"omniroute key id", "sha256")[:_KEY_ID_BYTES]


def prepare_data_dir(data_dir: Path) -> None:
    """Make the directory, or tighten it to 0700. Raises InstallationError.

    A directory that others use is not closed under them: where it is not ours, or holds files and
    none of them ours, the answer is an explanation.
    """
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = data_dir.stat()
        entries = os.listdir(data_dir)
    except OSError as error:
        raise InstallationError(
            f"the data directory {data_dir} cannot be used: {error.strerror or error}"
        ) from error
    if not stat.S_IMODE(found.st_mode) & 0o077:
        return
    if found.st_mode & stat.S_ISVTX or data_dir.resolve() in (Path("/"), Path.home().resolve()):
        raise InstallationError(
            f"{data_dir} is shared with other programs; give OmniRoute a directory of its own"
        )
    if hasattr(os, "getuid") and found.st_uid != os.getuid():
        raise InstallationError(
            f"the data directory {data_dir} is open to others (mode "
            f"{stat.S_IMODE(found.st_mode):04o}) and belongs to another user; let its owner "
            f"run chmod 700 on it"
        )
    if entries and not _OWN_NAMES.intersection(entries):
        raise InstallationError(
            f"the data directory {data_dir} is open to others (mode "
            f"{stat.S_IMODE(found.st_mode):04o}) and holds files of something else; give a "
            f"directory of its own, or run: chmod 700 {data_dir}"
        )
    data_dir.chmod(0o700)


def _tighten_files(data_dir: Path) -> None:
    for directory in (data_dir, data_dir / "state.lmdb"):
        if not directory.is_dir():
            continue
        for entry in os.scandir(directory):
            mode = entry.stat(follow_symlinks=False).st_mode
            if not stat.S_ISREG(mode) or not stat.S_IMODE(mode) & 0o177:
                continue
            try:
                os.chmod(entry.path, 0o600)
            except OSError as error:
                raise InstallationError(
                    f"{entry.path} is open to others (mode {stat.S_IMODE(mode):04o}) and cannot "
                    f"be closed: {error.strerror}"
                ) from error


def _refuse_lost_keys(data_dir: Path, key_files: list[Path]) -> None:
    data = [name for name in ("omniroute.sqlite", "state.lmdb") if _holds_data(data_dir / name)]
    lost = [file for file in key_files if not file.exists()]
    # One key of two can also be missing because the very first start was cut short: then nothing
    # was stored yet, and completing it loses nothing.
    if data and lost:
        raise InstallationError(
            f"{' and '.join(str(file) for file in lost)} is missing, but {' and '.join(data)} in "
            f"{data_dir} may hold what was protected with it. Restore it from a backup. To start "
            "anew and lose what is stored, move the directory away."
        )


def _holds_data(path: Path) -> bool:
    if path.is_dir():
        return any(path.iterdir())
    return path.exists() and path.stat().st_size > 0


def _create_once(file: Path, content: bytes) -> None:
    """Write a new 0600 file that appears whole; where one exists already, it stays."""
    if file.exists():
        return
    draft = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as out:
                out.write(content)
                out.flush()
                os.fsync(out.fileno())
            _place(draft, file)
        except FileExistsError:
            return  # another start was faster; its key is the one that counts
        finally:
            draft.unlink(missing_ok=True)
        _sync_directory(file.parent)
    except OSError as error:
        raise InstallationError(f"{file} cannot be written: {error.strerror or error}") from error


def _replace(file: Path, keys: Sequence[bytes]) -> None:
    """Write keys over those of a file: at each moment it is whole, the old or the new one."""
    draft = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as out:
                out.write(b"".join(map(_encode_key, keys)))
                out.flush()
                os.fsync(out.fileno())
            draft.replace(file)
        finally:
            draft.unlink(missing_ok=True)
        _sync_directory(file.parent)
    except OSError as error:
        raise InstallationError(f"{file} cannot be written: {error.strerror or error}") from error


def _place(draft: Path, file: Path) -> None:
    """Give the finished draft its name. A link, unlike a rename, replaces nobody else's file."""
    try:
        os.link(draft, file)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS):
            raise
        draft.rename(file)  # a file system without links; the supervisor's lock has to do


def _sync_directory(directory: Path) -> None:
    if os.name == "nt":  # directories cannot be opened there
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError as error:
        raise InstallationError(
            f"{file} is missing; start `omniroute` once to make the installation"
        ) from error
    except OSError as error:
        raise InstallationError(f"{file} cannot be read: {error.strerror or error}") from error


def _encode_key(key: bytes) -> bytes:
    return base64.b64encode(key) + b"\n"


def _decode_keys(file: Path) -> tuple[bytes, ...]:
    lines = [line.strip() for line in _read(file).splitlines() if line.strip()]
    try:
        keys = tuple(base64.b64decode(line, validate=True) for line in lines)
    except binascii.Error:
        keys = ()
    if not keys or any(len(key) != KEY_BYTES for key in keys):
        raise InstallationError(
            f"{file} is damaged: it must hold {KEY_BYTES} bytes in base64 a line. Restore it from "
            "a backup; a new key cannot open what is stored."
        )
    return keys


def _decode_given(text: str) -> tuple[bytes, ...]:
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise InstallationError(f"{KEY_VARIABLE} must be {KEY_BYTES} bytes as 64 hex digits")
    return (key,)

"""What a power cut may leave on a disk, from a record of the calls that wrote to it.

record_calls.c writes the record. A Disk follows it call by call and knows of each file and folder
what is durable and what was done since. Disk.cut() makes a folder of one of the many states in
which a file system may be found then, chosen by a seeded random generator.

The model is in the manner of ALICE (Pillai et al., "All File Systems Are Not Created Equal",
OSDI 2014), which cuts records of programs by an abstract file system, and of CrashMonkey (Mohan
et al., "Finding Crash-Consistency Bugs with Bounded Black-Box Crash Testing", OSDI 2018), which
rebuilds disks from recorded writes. Nothing is taken for granted but what POSIX lets a program
ask for:

  file     fsync and fdatasync make durable what was done to the file before they were called,
           once they have returned. What was done since may be there or not, in sectors of 512
           bytes, each of them old, new, or as any write in between left it, whatever the order of
           the writes. The size is one that the file had since; what was never written reads as
           zeros. A cut counts with the sizes before it, so old bytes do not come back behind it.
  folder   fsync of the folder makes its names durable, and nothing else does. Names that were
           made, renamed or removed since: the first few of these, all but one and what builds on
           it, or any of them as long as those of one name are in order. A rename within a folder
           is there as a whole or not at all.
  missing  a file whose name is not there is lost, fsynced or not; so is all in such a folder.

A sector is never half written, what is durable is never damaged, and calls that end a process's
life (exit, kill) lose nothing: the next process of the same record finds what the last one wrote.
"""

import os
import struct
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

SECTOR = 512
HEAD = struct.Struct("<B3xiqqII")


class NotModelled(Exception):
    """A call that this model does not know."""


@dataclass
class Change:
    """Something done to a file that may not be durable: bytes at `off`, or a new size."""
    kind: str  # "write", "cut", "grow"
    off: int  # for sizes: the new size
    data: bytes = b""
    ended: bool = True  # a write behind the caller's back has not, at first


@dataclass
class Content:
    """Bytes of a file. Those behind `data` are zeros: reserved space costs nothing here."""
    data: bytearray = field(default_factory=bytearray)
    size: int = 0

    def copy(self):
        return Content(bytearray(self.data), self.size)

    def whole(self):
        return bytes(self.data).ljust(self.size, b"\0")

    def sector(self, at):
        return bytes(self.data[at * SECTOR:(at + 1) * SECTOR]).ljust(SECTOR, b"\0")

    def resize(self, size):
        del self.data[size:]
        self.size = size

    def write(self, off, data):
        self.data.extend(bytes(max(0, off - len(self.data))))
        self.data[off:off + len(data)] = data
        self.size = max(self.size, off + len(data))

    def apply(self, change):
        if change.kind == "write":
            self.write(change.off, change.data)
        elif change.kind == "cut" or change.off > self.size:
            self.resize(change.off)

    def load(self, path):
        data = Path(path).read_bytes()
        self.data, self.size = bytearray(data.rstrip(b"\0")), len(data)

    def save(self, path):
        with open(path, "wb") as out:
            out.write(self.data)
            out.truncate(self.size)


def parted(changes, some):
    """Those that are among some, and the others. Another fsync may have taken some before."""
    some = {id(change) for change in some}
    return ([change for change in changes if id(change) in some],
            [change for change in changes if id(change) not in some])


@dataclass
class File:
    durable: Content = field(default_factory=Content)
    now: Content = field(default_factory=Content)  # as a process sees it
    changes: list = field(default_factory=list)

    def change(self, change):
        if change.kind == "cut" and change.off >= self.now.size:
            change.kind = "grow"
        self.now.apply(change)
        self.changes.append(change)

    def ended(self):
        return [change for change in self.changes if change.ended]

    def sync(self, changes):
        """An fsync has returned; these had ended when it began."""
        done, self.changes = parted(self.changes, changes)
        for change in done:
            self.durable.apply(change)

    def cut(self, rng):
        """One of the contents that may be found."""
        if not self.changes:
            return self.durable
        count = len(self.changes)
        kept = survivors(count, rng)
        sized = rng.choice((0, count, rng.randint(0, count)))
        found, memory, sectors = self.durable.copy(), self.durable.copy(), {}
        for idx, change in enumerate(self.changes):
            memory.apply(change)
            if change.kind == "write":
                end = change.off + len(change.data)
                if idx < sized:
                    found.size = max(found.size, end)
                for at in range(change.off // SECTOR, (end + SECTOR - 1) // SECTOR):
                    if kept(idx, at):
                        sectors[at] = memory.sector(at)
            elif idx < sized:
                found.apply(change)
                sectors = {at: data[:max(0, found.size - at * SECTOR)].ljust(SECTOR, b"\0")
                           for at, data in sectors.items()}
        size = found.size
        for at, data in sectors.items():
            found.write(at * SECTOR, data)
        found.resize(size)
        return found


def survivors(count, rng):
    """Which sectors of which of `count` changes reached the disk, as a function of both."""
    how = rng.randrange(6)
    turn = rng.randrange(count)
    if how == 0:
        return lambda idx, at: False
    if how == 1:
        return lambda idx, at: True
    if how == 2:  # in order, up to one that is torn
        torn = rng.random()
        return lambda idx, at: idx < turn or (idx == turn and rng.random() < torn)
    if how == 3:  # the later ones before the earlier
        return lambda idx, at: idx >= turn
    if how == 4:
        whole = [rng.random() < 0.5 for _ in range(count)]
        return lambda idx, at: whole[idx]
    share = rng.choice((0.05, 0.5, 0.95))
    return lambda idx, at: rng.random() < share


@dataclass
class Move:
    """Something done to the names of a folder that may not be durable."""
    old: str | None  # a name that is there no more
    new: str | None  # a name that is there since, of
    node: object = None


@dataclass
class Folder:
    durable: dict = field(default_factory=dict)
    now: dict = field(default_factory=dict)
    moves: list = field(default_factory=list)

    @staticmethod
    def apply(names, move):
        node = names.pop(move.old, None) if move.old else move.node
        if move.new:
            names[move.new] = move.node or node

    def move(self, move):
        self.apply(self.now, move)
        self.moves.append(move)

    def ended(self):
        return list(self.moves)

    def sync(self, moves):
        done, self.moves = parted(self.moves, moves)
        for move in done:
            self.apply(self.durable, move)

    def cut(self, rng):
        """One of the sets of names that may be found."""
        names = dict(self.durable)
        if not self.moves:
            return names
        way, count = rng.randrange(3), len(self.moves)
        if way == 0:
            chosen = self.moves[:rng.randint(0, count)]
        elif way == 1:
            one = rng.randrange(count)
            chosen = self.ordered(idx != one for idx in range(count))
        else:
            chosen = self.ordered(rng.random() < 0.5 for _ in range(count))
        for move in chosen:
            self.apply(names, move)
        return names

    def ordered(self, kept):
        """Of the moves that are kept those whose names no move before them left behind."""
        held = set()
        for move, keep in zip(self.moves, kept):
            mine = {move.old, move.new} - {None}
            if keep and not mine & held:
                yield move
            else:
                held |= mine


class Disk:
    """A folder, whose own name is durable, and everything below it."""

    def __init__(self, folder=None):
        """Empty, or all of `folder`, durable."""
        self.root, self.open, self.flights, self.syncs = Folder(), {}, {}, {}
        if folder:
            self._load(self.root, Path(folder))

    def _load(self, folder, path):
        for entry in os.scandir(path):
            if entry.is_dir():
                node = Folder()
                self._load(node, entry.path)
            else:
                node = File()
                node.durable.load(entry.path)
                node.now = node.durable.copy()
            folder.durable[entry.name] = folder.now[entry.name] = node

    def node(self, path):
        at = self.root
        for name in PurePosixPath(path).parts:
            at = at.now[name]
        return at

    def place(self, path):
        path = PurePosixPath(path)
        return self.node(path.parent), path.name

    def reborn(self):
        """Another process goes on. Writes that the last one had under way have ended: the kernel
        waits for them before anybody learns of its end. What it had begun to fsync has not."""
        for flight in self.flights.values():
            flight.ended = True
        self.open, self.flights, self.syncs = {}, {}, {}

    def do(self, call):
        """One entry of a record."""
        getattr(self, f"_{DOES[call.kind]}")(call)

    def _opened(self, call):
        if call.path == "":
            node = self.root
        else:
            folder, name = self.place(call.path)
            node = folder.now.get(name)
        if node is None:
            node = File()
            folder.move(Move(None, name, node))
        elif call.a & os.O_TRUNC and node.now.size:
            node.change(Change("cut", 0))
        self.open[call.fd] = node

    def _written(self, call):
        self.open[call.fd].change(Change("write", call.a, call.data))

    def _sent(self, call):
        self.flights[call.b] = Change("write", call.a, call.data, ended=False)
        self.open[call.fd].change(self.flights[call.b])

    def _landed(self, call):
        self.flights.pop(call.a).ended = True

    def _sized(self, call):
        self.open[call.fd].change(Change("cut", call.a))

    def _reserved(self, call):
        self.open[call.fd].change(Change("grow", call.a))

    def _sync_began(self, call):
        node = self.open[call.fd]
        self.syncs[call.a] = (node, node.ended())

    def _sync_ended(self, call):
        node, ended = self.syncs.pop(call.a)
        node.sync(ended)

    def _renamed(self, call):
        folder, old = self.place(call.path)
        other, new = self.place(call.more_path)
        if folder is not other:
            raise NotModelled(f"a rename into another folder: {call.path} to {call.more_path}")
        folder.move(Move(old, new))

    def _unlinked(self, call):
        folder, name = self.place(call.path)
        folder.move(Move(name, None))

    def _made(self, call):
        folder, name = self.place(call.path)
        folder.move(Move(None, name, Folder()))

    def _noted(self, call):
        pass

    def _unknown(self, call):
        raise NotModelled(f"a call on descriptor {call.fd}, {call.path}")

    def cut(self, rng, *folders):
        """Writes into each of `folders` what may be found after one power cut."""
        self.keep(lambda node: node.cut(rng), *folders)

    def keep(self, content_of, *folders):
        """Writes into each of `folders` what a function finds in the files and folders."""
        self._keep(self.root, content_of, [Path(folder) for folder in folders])

    def _keep(self, node, content_of, places):
        for place in places:
            place.mkdir(parents=True, exist_ok=True)
        for name, child in content_of(node).items():
            below = [place / name for place in places]
            if isinstance(child, Folder):
                self._keep(child, content_of, below)
                continue
            content = content_of(child)
            for place in below:
                content.save(place)

    def files(self):
        """Yields path and content of each file, as a process sees them."""
        return self._files(self.root, "")

    def _files(self, folder, path):
        for name, child in folder.now.items():
            if isinstance(child, Folder):
                yield from self._files(child, f"{path}{name}/")
            else:
                yield path + name, child.now


DOES = {"O": "opened", "W": "written", "w": "sent", "e": "landed", "T": "sized", "A": "reserved",
        "S": "sync_began", "E": "sync_ended", "R": "renamed", "U": "unlinked", "M": "made",
        "N": "noted", "?": "unknown"}


@dataclass
class Call:
    kind: str
    fd: int
    a: int
    b: int
    data: bytes
    more: bytes

    @property
    def path(self):
        return self.data.decode()

    @property
    def more_path(self):
        return self.more.decode()


def read_record(path):
    """The calls of one process, in order."""
    data, at, calls = Path(path).read_bytes(), 0, []
    while at < len(data):
        kind, fd, a, b, sz, more_sz = HEAD.unpack_from(data, at)
        at += HEAD.size
        calls.append(Call(chr(kind), fd, a, b, data[at:at + sz], data[at + sz:at + sz + more_sz]))
        at += sz + more_sz
    return calls

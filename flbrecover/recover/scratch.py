"""Columns that move to disk: an index of any number of records in a bounded part of memory.

While all columns together are small they are arrays. Beyond the bound they become mapped files in a private scratch
folder; their pages belong to the kernel's cache, and those that this process holds are given back whenever it has grown
larger than it may be: by :meth:`Scratch.breathe`, and by a thread that looks now and then, for loops in C do not.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import tempfile
import threading
from array import array
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from weakref import WeakSet, ref

from flbrecover.errors import FlbrecoverError
from flbrecover.reconcile.columns import Column
from flbrecover.threads import need_room

DEFAULT_MEMORY = 16 << 20
_CHECKED = 1 << 12  # numbers after which a column tells how much it has grown
_FIRST = 1 << 16  # bytes of a new file
_LOOK_SECONDS = 0.01  # a random look at a page maps 16: a whole index comes back in no time
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Scratch:
    """Makes columns that together take at most ``memory`` bytes of memory, and any amount of disk in ``folder`` (None:
    where temporary files go). Use it as a context manager: files vanish with it, or with the process."""

    def __init__(self, memory: int = DEFAULT_MEMORY, folder: str | None = None) -> None:
        self._memory = memory
        self._folder = folder
        self._columns: WeakSet[_SpillColumn] = WeakSet()
        self._lock = threading.Lock()  # of _columns
        self._stop: threading.Event | None = None
        self._looking: threading.Thread | None = None
        self._in_memory = 0
        self.spilled = False
        self._before = resident()

    def __enter__(self) -> Scratch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def column(self, typecode: str) -> Column:
        """An empty column; the typecode is one of :mod:`array`."""
        made = _SpillColumn(self, typecode)
        with self._lock:
            self._columns.add(made)
        if self.spilled:
            made.spill()
        return made

    def grew(self, size: int) -> None:
        """Columns in memory have grown by so many bytes."""
        self._in_memory += size
        if not self.spilled and self._in_memory > self._memory:
            self.spill()

    def spill(self) -> None:
        """Moves all columns to disk, and those to come. Raises FlbrecoverError where scratch cannot be written."""
        if not self.spilled:
            self.spilled = True
            self.look()
        for column in self._all():
            column.spill()

    def look(self) -> None:
        """Begins to look after the memory of this process; needed in a process that was forked, else done by itself."""
        if self.spilled:
            self._stop = threading.Event()
            of = (ref(self), self._stop)  # it keeps nothing alive
            need_room()
            self._looking = threading.Thread(target=_look_after, args=of, name="scratch", daemon=True)
            self._looking.start()

    @contextmanager
    def still(self) -> Iterator[None]:
        """While a process is forked: no thread of ours is in the middle of anything, and no memory is shared that
        nobody uses any more."""
        give_back_freed()
        looking = self._end_looking()
        try:
            yield
        finally:
            if looking:
                self.look()

    def _end_looking(self) -> bool:
        if self._stop is None or self._looking is None:
            return False
        self._stop.set()
        self._looking.join()
        self._stop = self._looking = None
        return True

    def _all(self) -> list[_SpillColumn]:
        with self._lock:
            return list(self._columns)

    def breathe(self) -> None:
        """Gives back the pages of mapped columns where the process has grown beyond the bound. To be called now and
        then; it costs some microseconds."""
        if self.spilled and resident() - self._before > self._memory:
            self.release()

    def release(self) -> None:
        """Gives back all pages of mapped columns; they are read again when they are needed."""
        for column in self._all():
            column.release_pages()

    def close(self) -> None:
        self._end_looking()
        for column in self._all():
            column.close()

    def new_file(self) -> int:
        """A file without a name, for this user only. Raises FlbrecoverError where scratch cannot be written."""
        try:
            fd, name = tempfile.mkstemp(prefix="flbrecover-", dir=self._folder)
            os.unlink(name)
        except OSError as e:
            raise _no_room(self._folder, e) from e
        return fd


class _SpillColumn:
    """An array or a mapped file. Indexing works as with an array, without negative numbers."""

    def __init__(self, scratch: Scratch, typecode: str) -> None:
        self._scratch = scratch
        self._typecode = typecode
        self._array = array(typecode)
        self._item = self._array.itemsize
        self._map: mmap.mmap | None = None
        self._fd = -1
        self._view: array[int] | memoryview = self._array
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, at: int) -> int:
        if at >= self._size:
            raise IndexError("column index out of range")
        found: int = self._view[at]
        return found

    def __setitem__(self, at: int, value: int) -> None:
        if at >= self._size:
            raise IndexError("column index out of range")
        self._view[at] = value

    def append(self, value: int) -> None:
        if self._map is None:
            self._array.append(value)
            self._size += 1
            if not self._size % _CHECKED:
                self._scratch.grew(_CHECKED * self._item)
            return
        if self._size == len(self._view):
            self._grow(self._size + 1)
        self._view[self._size] = value
        self._size += 1

    def extend(self, values: Iterable[int]) -> None:
        some = values if isinstance(values, array) and values.typecode == self._typecode else None
        if some is None:
            some = array(self._typecode, values)
        if self._map is None:
            self._array.extend(some)
            self._size += len(some)
            self._scratch.grew(len(some) * self._item)
            return
        start = self._size
        self.grow(len(some))
        self.write(start, some)

    def grow(self, number: int) -> None:
        if self._map is None:
            self._array.frombytes(bytes(number * self._item))
            self._size += number
            self._scratch.grew(number * self._item)
            return
        if self._size + number > len(self._view):
            self._grow(self._size + number)
        self._size += number

    def raw(self) -> array[int] | memoryview:
        return self._view if self._map is None else memoryview(self._view)[: self._size]

    def read(self, start: int, stop: int) -> array[int]:
        if self._map is None:
            return self._array[start:stop]
        number = max(0, min(stop, self._size) - start)
        return array(self._typecode, os.pread(self._fd, number * self._item, start * self._item))

    def write(self, start: int, values: array[int]) -> None:
        if self._map is None:
            self._array[start : start + len(values)] = values
            return
        data, at = memoryview(values).cast("B"), start * self._item
        while data:
            done = os.pwrite(self._fd, data, at)
            data, at = data[done:], at + done

    def spill(self) -> None:
        """Moves the numbers to a file."""
        if self._map is not None:
            return
        numbers, self._array = self._array, array(self._typecode)
        self._fd = self._scratch.new_file()
        self._grow(max(len(numbers), _FIRST // self._item))
        memoryview(self._view)[: len(numbers)] = memoryview(numbers)

    def release_pages(self) -> None:
        """Any thread may ask for it."""
        held = self._map
        if held is not None:
            with suppress(ValueError):  # it was closed a moment ago
                held.madvise(mmap.MADV_DONTNEED)  # the file keeps what was written

    def close(self) -> None:
        if self._fd < 0:
            return
        self._view = array(self._typecode)
        self._size = 0
        with suppress(BufferError):  # somebody holds a raw view still: it goes with that
            if self._map is not None:  # else there was no room for the first one
                self._map.close()
        os.close(self._fd)
        self._fd = -1

    def __del__(self) -> None:
        self.close()

    def _grow(self, least: int) -> None:
        """Makes room for at least so many numbers. A full disk is seen here and not later, as a signal."""
        size = max(2 * len(self._view), least) * self._item
        size = -(-size // _PAGE) * _PAGE
        try:
            os.posix_fallocate(self._fd, 0, size)
        except OSError as e:
            raise _no_room(self._scratch._folder, e) from e
        self._map = mmap.mmap(self._fd, size)
        self._view = memoryview(self._map).cast(self._typecode)  # type: ignore[call-overload]


def _look_after(which: ref[Scratch], stop: threading.Event) -> None:
    while not stop.wait(_LOOK_SECONDS):
        scratch = which()
        if scratch is None:
            return
        scratch.breathe()
        del scratch


def give_back_freed() -> None:
    """Gives memory that was freed back to the system, where the C library can (glibc keeps some MB for each thread)."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def resident() -> int:
    """Bytes of memory that this process holds (0 where the system does not tell)."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * _PAGE
    except (OSError, ValueError, IndexError):
        return 0


def _no_room(folder: str | None, error: OSError) -> FlbrecoverError:
    where = folder or tempfile.gettempdir()
    return FlbrecoverError(f"scratch folder {where}: {error.strerror}; set TMPDIR to a folder with free space")

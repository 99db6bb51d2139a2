// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization

/// The proxy's side of the counter file: maps it and hands out each worker's table.
///
/// Keep it as long as any table is in use. The file is never made shorter, so that a daemon that has it mapped is
/// safe.
public final class CounterFile: Sendable {
    private nonisolated(unsafe) let memory: UnsafeMutableRawPointer
    private let size: Int
    private let workers: Int
    private let cells: Int

    /// Opens or makes the file at `path` for this many workers with this many cells each. Counters of an earlier
    /// proxy with the same number of cells are kept; a file of another layout begins at zero.
    public init(path: String, workers: Int, cells: Int = 4096) throws(LinkError) {
        guard (1...CounterLayout.mostWorkers).contains(workers), (8...CounterLayout.mostCells).contains(cells),
            cells & (cells - 1) == 0
        else { throw LinkError("\(workers) workers with \(cells) counter cells: out of range") }
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw Self.failure("open", path) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw Self.failure("examine", path) }
        let needed = CounterLayout.fileSize(workers: workers, cells: cells)
        size = max(needed, Int(status.st_size))
        // All pages now: one that the disk has no room for later would end the proxy by SIGBUS.
        let allocated = posix_fallocate(descriptor, 0, off_t(needed))
        guard allocated == 0 else {
            errno = allocated
            throw Self.failure("make room for", path)
        }
        guard let mapped = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0),
            mapped != UnsafeMutableRawPointer(bitPattern: -1)
        else { throw Self.failure("map", path) }
        memory = mapped
        self.workers = workers
        self.cells = cells
        prepare()
    }

    deinit { munmap(memory, size) }

    /// The table of worker `index`, for the thread of that worker only. Keeps the file mapped.
    public func table(worker index: Int) -> CounterTable {
        precondition((0..<workers).contains(index))
        let start = memory + CounterLayout.tableStart(worker: index, cells: cells)
        return CounterTable(file: self, start: start.assumingMemoryBound(to: UInt64.self), cells: cells)
    }

    /// Lets go of what was only looked at: it stays in the file, and what is counted brings its pages back.
    public func rest() { madvise(memory, size, MADV_DONTNEED) }

    private func prepare() {
        let header = memory.assumingMemoryBound(to: UInt64.self)
        let fits =
            header[CounterLayout.Header.magic] == CounterLayout.magic
            && header[CounterLayout.Header.version] == CounterLayout.version
            && header[CounterLayout.Header.cells] == UInt64(cells)
            && header[CounterLayout.Header.cellSize] == UInt64(CounterLayout.cellSize)
        if !fits {
            header[CounterLayout.Header.magic] = 0
            memset(memory + 8, 0, size - 8)
            header[CounterLayout.Header.version] = CounterLayout.version
            header[CounterLayout.Header.cells] = UInt64(cells)
            header[CounterLayout.Header.cellSize] = UInt64(CounterLayout.cellSize)
            header[CounterLayout.Header.made] = UInt64(time(nil))
        }
        // Tables of a former, wider proxy stay readable; tables beyond them were zero-filled by growing.
        let known = fits ? Int(clamping: header[CounterLayout.Header.workers]) : 0
        let readable = min(max(workers, known), (size - CounterLayout.pageSize) / CounterLayout.tableSize(cells: cells))
        header[CounterLayout.Header.workers] = UInt64(readable)
        // A new file has nothing to clear, and reading it all would fill its holes.
        for worker in 0..<(fits ? readable : 0) {
            let table = (memory + CounterLayout.tableStart(worker: worker, cells: cells))
                .assumingMemoryBound(to: UInt64.self)
            for cell in 0...cells {
                let words = table + cell * CounterLayout.cellWords
                // Only cells in use are written: untouched pages of the file stay out of memory.
                let kind = CounterKey.Kind(rawValue: UInt8(truncatingIfNeeded: words[CounterLayout.Word.key1]))
                guard kind?.hasActive ?? false else { continue }
                if words[CounterLayout.Word.active] != 0 { words[CounterLayout.Word.active] = 0 }
            }
        }
        // The magic last: a reader takes the file for one of ours only when all else is in place.
        (memory.assumingMemoryBound(to: Atomic<UInt64>.self)).pointee.store(CounterLayout.magic, ordering: .releasing)
    }

    private static func failure(_ action: String, _ path: String) -> LinkError {
        let code = errno
        return LinkError(
            "cannot \(action) the counter file \(path): \(strerror(code).map { String(cString: $0) } ?? "") "
                + "(errno \(code))")
    }
}

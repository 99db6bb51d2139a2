// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization

/// What the proxy has counted for one key, over all its workers.
public struct CounterReading: Sendable, Hashable {
    /// What was counted by; ``CounterKey/overflow`` for what found no cell.
    public var key: CounterKey
    /// Connections that reached an endpoint. For keys with reason 0.
    public var opened: UInt64 = 0
    /// Those of them that have ended.
    public var closed: UInt64 = 0
    /// Those that live in the present proxy.
    public var active: UInt64 = 0
    /// Connections refused for the key's reason before they reached an endpoint.
    public var refused: UInt64 = 0
    /// Connections ended for the key's reason after they had reached one.
    public var cut: UInt64 = 0
    /// Bytes sent to endpoints.
    public var sent: UInt64 = 0
    /// Bytes sent to clients.
    public var received: UInt64 = 0
    /// Sum of the times to connect, or of requests from head to end, nanoseconds.
    public var connectNanoseconds: UInt64 = 0
    /// Connections by time to connect, or requests by their whole time: see ``ConnectTimeBuckets``.
    public var connectTimes = [UInt64](repeating: 0, count: ConnectTimeBuckets.count)

    /// How requests ended, by ``RequestOutcome``, or calls, by gRPC status; for keys of these kinds.
    public var outcomes: [UInt64] = []

    /// Nothing counted yet.
    public init(key: CounterKey) {
        self.key = key
        switch key.kind {
        case .connections, .tunnels, .streams: break
        case .attempts: outcomes = Array(repeating: 0, count: ExtraAttempt.allCases.count)
        case .requests: outcomes = Array(repeating: 0, count: RequestOutcome.allCases.count)
        case .calls: outcomes = Array(repeating: 0, count: CounterCell.callStatuses)
        }
    }

    /// Reads the counter file of a proxy, running or not. Costs the proxy nothing. From any thread.
    /// - Returns: one reading for each key, in no order. Empty when the file does not exist yet.
    public static func read(path: String) throws(LinkError) -> [CounterReading] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        if descriptor < 0, errno == ENOENT { return [] }
        guard descriptor >= 0 else { throw LinkError("cannot open the counter file \(path): errno \(errno)") }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, Int(status.st_size) >= CounterLayout.pageSize else { return [] }
        let size = Int(status.st_size)
        guard let memory = mmap(nil, size, PROT_READ, MAP_SHARED, descriptor, 0),
            memory != UnsafeMutableRawPointer(bitPattern: -1)
        else { throw LinkError("cannot map the counter file \(path): errno \(errno)") }
        defer { munmap(memory, size) }
        return try read(UnsafeRawBufferPointer(start: memory, count: size), path: path)
    }

    private static func read(_ file: UnsafeRawBufferPointer, path: String) throws(LinkError) -> [CounterReading] {
        func word(_ index: Int) -> UInt64 { file.load(fromByteOffset: index * 8, as: UInt64.self) }
        guard word(CounterLayout.Header.magic) == CounterLayout.magic else { return [] }
        guard word(CounterLayout.Header.version) == CounterLayout.version,
            word(CounterLayout.Header.cellSize) == UInt64(CounterLayout.cellSize)
        else {
            throw LinkError(
                "the counter file \(path) has version \(word(CounterLayout.Header.version)), "
                    + "this build reads \(CounterLayout.version)")
        }
        let workers = Int(clamping: word(CounterLayout.Header.workers))
        let cells = Int(clamping: word(CounterLayout.Header.cells))
        guard workers <= CounterLayout.mostWorkers, cells <= CounterLayout.mostCells,
            CounterLayout.fileSize(workers: workers, cells: cells) <= file.count
        else { throw LinkError("the counter file \(path) is shorter than its header says") }

        var readings: [CounterKey: CounterReading] = [:]
        for worker in 0..<workers {
            let table = CounterLayout.tableStart(worker: worker, cells: cells) / 8
            for cell in 0...cells {
                let at = table + cell * CounterLayout.cellWords
                // Ordered after the check that the cell is in use, as the writer wrote its key.
                let state = word(at + CounterLayout.Word.key1)
                guard state != 0 else { continue }
                atomicMemoryFence(ordering: .acquiring)
                guard let key = CounterKey(words: (word(at + CounterLayout.Word.key0), state)) else { continue }
                readings[key, default: CounterReading(key: key)].add { word(at + $0) }
            }
        }
        return Array(readings.values)
    }

    private mutating func add(_ word: (Int) -> UInt64) {
        for index in outcomes.indices { outcomes[index] &+= word(CounterLayout.Word.outcomes + index) }
        if key.kind == .calls { return }
        sent &+= word(CounterLayout.Word.sent)
        received &+= word(CounterLayout.Word.received)
        connectNanoseconds &+= word(CounterLayout.Word.connectNanoseconds)
        for index in connectTimes.indices { connectTimes[index] &+= word(CounterLayout.Word.histogram + index) }
        guard key.kind.hasActive else { return }
        opened &+= word(CounterLayout.Word.opened)
        closed &+= word(CounterLayout.Word.closed)
        active &+= word(CounterLayout.Word.active)
        refused &+= word(CounterLayout.Word.refused)
        cut &+= word(CounterLayout.Word.cut)
    }
}

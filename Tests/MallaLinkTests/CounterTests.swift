// SPDX-License-Identifier: Apache-2.0

import Glibc
import MallaLink
import Testing

@Suite("Counters in a shared file")
struct CounterTests {
    private let path = "/tmp/malla-test-counters-\(getpid())-\(UInt64.random(in: 0 ... .max))"

    @Test("a reader sees what each worker wrote, added up by key")
    func sums() throws {
        defer { unlink(path) }
        let file = try CounterFile(path: path, workers: 2)
        let key = CounterKey(source: 16, target: 17, service: 3, reason: 0)
        for worker in 0..<2 {
            var table = file.table(worker: worker)
            let cell = table.cell(key)
            cell.opened(after: 1_500)
            cell.opened(after: 3_000_000)
            cell.closed()
            cell.sent(100)
            cell.received(1 << 40)
            table.cell(CounterKey(source: 16, target: 0, service: 3, reason: 1)).refused()
            table.cell(CounterKey(source: 16, target: 17, service: 3, reason: 35)).cut()
        }
        let readings = try CounterReading.read(path: path)
        #expect(readings.count == 3)
        let sum = try #require(readings.first { $0.key == key })
        #expect(sum.opened == 4 && sum.closed == 2 && sum.active == 2)
        #expect(sum.sent == 200 && sum.received == 2 << 40)
        #expect(sum.connectNanoseconds == 2 * 3_001_500)
        #expect(sum.connectTimes[ConnectTimeBuckets.index(nanoseconds: 1_500)] == 2)
        #expect(sum.connectTimes.reduce(0, +) == 4)
        #expect(readings.first { $0.key.reason == 1 }?.refused == 2)
        #expect(readings.first { $0.key.reason == 35 }?.cut == 2)
    }

    @Test("counters outlive their writer; what was active is over")
    func survive() throws {
        defer { unlink(path) }
        let key = CounterKey(source: 1, target: 2, service: 3, reason: 0)
        do {
            let file = try CounterFile(path: path, workers: 2)
            var table = file.table(worker: 1)
            table.cell(key).opened(after: 1)
        }
        #expect(try CounterReading.read(path: path).first?.active == 1)
        do {
            // Another number of workers: tables of both are read.
            let file = try CounterFile(path: path, workers: 4)
            var table = file.table(worker: 1)
            table.cell(key).opened(after: 1)
            var last = file.table(worker: 3)
            last.cell(key).sent(5)
        }
        let reading = try #require(try CounterReading.read(path: path).first)
        #expect(reading.opened == 2)
        #expect(reading.active == 1)
        #expect(reading.sent == 5)
        let fewer = try CounterFile(path: path, workers: 1)
        #expect(try CounterReading.read(path: path).first?.opened == 2)
        withExtendedLifetime(fewer) {}
    }

    @Test("what is not in use is in nobody's memory, and what was counted is not forgotten")
    func rest() throws {
        defer { unlink(path) }
        let key = CounterKey(source: 1, target: 2, service: 3, reason: 0)
        let file = try CounterFile(path: path, workers: 2)
        var table = file.table(worker: 1)
        let cell = table.cell(key)
        cell.opened(after: 1)
        file.rest()
        cell.opened(after: 1)
        table.cell(CounterKey(source: 2, target: 2, service: 3, reason: 0)).sent(7)
        let readings = try CounterReading.read(path: path)
        #expect(readings.first { $0.key == key }?.opened == 2)
        #expect(readings.reduce(0) { $0 + $1.sent } == 7)
    }

    @Test("more keys than cells go to the overflow cell, and none is lost")
    func overflow() throws {
        defer { unlink(path) }
        let file = try CounterFile(path: path, workers: 1, cells: 64)
        var table = file.table(worker: 0)
        for source in 0..<1000 as Range<UInt32> {
            table.cell(CounterKey(source: source, target: 0, service: 0, reason: 1)).refused()
        }
        let readings = try CounterReading.read(path: path)
        #expect(readings.count == 49)
        #expect(readings.reduce(0) { $0 + $1.refused } == 1000)
        #expect(readings.first { $0.key == .overflow }?.refused == 952)
    }

    @Test("no file is no counters; a file of something else is none of ours")
    func strangers() throws {
        #expect(try CounterReading.read(path: path).isEmpty)
        defer { unlink(path) }
        let descriptor = open(path, O_RDWR | O_CREAT, 0o600)
        let page = [UInt8](repeating: 0x5a, count: 8192)
        #expect(write(descriptor, page, page.count) == page.count)
        close(descriptor)
        #expect(try CounterReading.read(path: path).isEmpty)
        let file = try CounterFile(path: path, workers: 1)
        var table = file.table(worker: 0)
        table.cell(CounterKey(source: 1, target: 1, service: 1, reason: 1)).refused()
        #expect(try CounterReading.read(path: path).count == 1)
    }

    @Test("connect times by powers of two")
    func buckets() {
        #expect(ConnectTimeBuckets.index(nanoseconds: 0) == 0)
        #expect(ConnectTimeBuckets.index(nanoseconds: 999) == 0)
        #expect(ConnectTimeBuckets.index(nanoseconds: 1_000) == 1)
        #expect(ConnectTimeBuckets.index(nanoseconds: 2_000) == 2)
        #expect(ConnectTimeBuckets.index(nanoseconds: .max) == 29)
        #expect(ConnectTimeBuckets.upperBound(0) == 0.000001)
        #expect(ConnectTimeBuckets.upperBound(29) == nil)
    }
}

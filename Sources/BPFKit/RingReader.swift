// SPDX-License-Identifier: Apache-2.0
import CLibBPF
import Glibc
import Synchronization

/// The thread behind a ``RingBuffer``: waits for the buffer only while somebody waits for it.
final class RingReader: Sendable {
    /// Records taken from the kernel at a time: bounds what this side holds.
    static let batchSize = 256

    let name: String
    private let wakeUp: Descriptor
    private let state = Mutex(State())

    private struct State {
        var waiter: CheckedContinuation<[[UInt8]], Never>?
        var stopped = false
    }

    /// What libbpf's callback fills; touched by the reader's thread only.
    private final class Batch {
        var records: [[UInt8]] = []
    }

    init(_ map: borrowing Descriptor, name: String) throws {
        let event = eventfd(0, Int32(EFD_CLOEXEC) | Int32(EFD_NONBLOCK))
        guard event >= 0 else { throw BPFError(operation: "make", object: "an eventfd", errno: Glibc.errno) }
        let wakeUp = Descriptor(owning: event)
        let mapCopy = try map.duplicate().release()
        self.name = name
        self.wakeUp = wakeUp
        try start(mapCopy)
    }

    /// Waits until there are records; empty when the task is cancelled or the reader stopped.
    func nextBatch() async -> [[UInt8]] {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let refused = state.withLock { state in
                    // One consumer at a time: a second one gets an end of sequence instead of stolen records.
                    guard !state.stopped, state.waiter == nil, !Task.isCancelled else { return true }
                    state.waiter = continuation
                    return false
                }
                if refused { continuation.resume(returning: []) } else { wake() }
            }
        } onCancel: {
            deliver([])
        }
    }

    /// Ends the thread soon and the waiting consumer at once.
    func stop() {
        state.withLock { $0.stopped = true }
        deliver([])
        wake()
    }

    private func deliver(_ records: [[UInt8]]) {
        let waiter = state.withLock { state in
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume(returning: records)
    }

    private func wake() { eventfd_write(wakeUp.raw, 1) }
}

extension RingReader {
    /// Makes libbpf's reader and the thread; takes over the descriptor of the map.
    private func start(_ map: Int32) throws {
        let map = Descriptor(owning: map)
        let batch = Batch()
        // The thread owns `batch` through the buffer's opaque pointer and releases it when it ends.
        let opaque = Unmanaged.passRetained(batch)
        let (made, said) = LibbpfLog.capture {
            ring_buffer__new(
                map.raw,
                { opaque, bytes, size in
                    guard let opaque else { return -EINVAL }
                    let batch = Unmanaged<Batch>.fromOpaque(opaque).takeUnretainedValue()
                    batch.records.append(Array(UnsafeRawBufferPointer(start: bytes, count: size)))
                    // A negative answer makes libbpf stop after this record.
                    return batch.records.count < RingReader.batchSize ? 0 : -ENOBUFS
                }, opaque.toOpaque(), nil)
        }
        guard let made else {
            opaque.release()
            throw BPFError(operation: "open", object: "ring buffer \(name)", errno: Glibc.errno, detail: said)
        }
        nonisolated(unsafe) let ring = made  // handed over to the thread
        let rawMap = map.release()
        let thread = Unmanaged.passRetained(
            ThreadBody { [self] in
                run(ring, opaque.takeUnretainedValue())
                ring_buffer__free(ring)
                opaque.release()
                close(rawMap)
            })
        var id = pthread_t()
        let failure = pthread_create(
            &id, nil,
            { body in
                guard let body else { return nil }
                Unmanaged<ThreadBody>.fromOpaque(body).takeRetainedValue().run()
                return nil
            }, thread.toOpaque())
        guard failure == 0 else {
            thread.release()
            ring_buffer__free(ring)
            opaque.release()
            close(rawMap)
            throw BPFError(operation: "start", object: "the thread of ring buffer \(name)", errno: failure)
        }
        pthread_detach(id)
    }

    private func run(_ ring: OpaquePointer, _ batch: Batch) {
        while true {
            let (stopped, wanted) = state.withLock { ($0.stopped, $0.waiter != nil) }
            if stopped { return }
            // Left by a waiter that was cancelled while its batch was being read.
            if wanted, !batch.records.isEmpty {
                pending(batch)
                continue
            }
            var polled = [
                pollfd(fd: wakeUp.raw, events: Int16(POLLIN), revents: 0),
                pollfd(fd: ring_buffer__epoll_fd(ring), events: Int16(POLLIN), revents: 0),
            ]
            // A buffer that nobody waits for is not polled: it may be readable for hours.
            guard poll(&polled, wanted ? 2 : 1, -1) > 0 else { continue }
            if polled[0].revents != 0 {
                var ignored: eventfd_t = 0
                eventfd_read(wakeUp.raw, &ignored)
            }
            guard wanted, polled[1].revents != 0 else { continue }
            ring_buffer__consume(ring)
            guard !batch.records.isEmpty else { continue }
            pending(batch)
        }
    }

    /// Hands the batch to the waiter. When that was cancelled meanwhile, the next one gets it.
    private func pending(_ batch: Batch) {
        let waiter = state.withLock { state in
            defer { state.waiter = nil }
            return state.waiter
        }
        guard let waiter else { return }
        let records = batch.records
        batch.records = []
        waiter.resume(returning: records)
    }

    /// What a thread runs, as an object that a C pointer can carry.
    private final class ThreadBody {
        let run: () -> Void
        init(run: @escaping () -> Void) { self.run = run }
    }
}

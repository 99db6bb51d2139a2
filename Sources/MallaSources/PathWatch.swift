// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import Synchronization

/// Says that something changed at one of a set of paths, by inotify.
///
/// What changed is not told: a queue of events can overflow and paths can be replaced, so whoever listens looks at
/// the whole again. Every event after the watch was set leads to at least one element of ``changes``.
public final class PathWatch: Sendable {
    /// One element for one or more changes since the last one was taken. Ends after ``stop()``.
    public let changes: AsyncStream<Void>

    private let inotify: Int32
    private let wake: Int32
    private let continuation: AsyncStream<Void>.Continuation
    private let watches = Mutex<[String: Int32]>([:])
    private let count = Atomic<UInt64>(0)
    private let stopped = Atomic<Bool>(false)

    /// A watch without paths. A thread of its own waits for the kernel's events.
    public init() throws {
        inotify = inotify_init1(Int32(IN_CLOEXEC) | Int32(IN_NONBLOCK))
        guard inotify >= 0 else { throw SourceError.last("open an inotify queue") }
        wake = eventfd(0, Int32(EFD_CLOEXEC) | Int32(EFD_NONBLOCK))
        guard wake >= 0 else {
            let failure = SourceError.last("open an eventfd")
            close(inotify)
            throw failure
        }
        (changes, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
        try startThread()
    }

    deinit {
        close(inotify)
        close(wake)
    }

    /// How many batches of changes were seen: equal numbers at two times mean that nothing changed in between.
    public var revision: UInt64 { count.load(ordering: .acquiring) }

    /// Watches exactly these paths. One that does not exist is skipped: watch the directory where it will appear.
    public func watch(_ paths: Set<String>) {
        watches.withLock { watches in
            for (path, watch) in watches where !paths.contains(path) {
                inotify_rm_watch(inotify, watch)
                watches[path] = nil
            }
            for path in paths {
                // Set again even when it is known: the path may be another file by now.
                let watch = inotify_add_watch(inotify, path, Self.mask)
                if watch >= 0 {
                    if let old = watches[path], old != watch, !watches.values.contains(where: { $0 == watch }) {
                        inotify_rm_watch(inotify, old)
                    }
                    watches[path] = watch
                } else {
                    watches[path] = nil
                }
            }
        }
    }

    /// Ends the stream and the thread.
    public func stop() {
        stopped.store(true, ordering: .releasing)
        var one: UInt64 = 1
        _ = write(wake, &one, 8)
        continuation.finish()
    }

    /// The path itself when it exists, else the nearest directory above it that does.
    public static func nearestExisting(_ path: String) -> String {
        var path = path
        var status = stat()
        while stat(path, &status) != 0, let slash = path.lastIndex(of: "/") {
            path = slash == path.startIndex ? "/" : String(path[..<slash])
            if path == "/" { break }
        }
        return path
    }

    /// Content, names and the path's own end. Reading is not a change, or the listener would wake itself.
    private static let mask = UInt32(
        IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF
            | IN_MOVE_SELF)

    private func startThread() throws {
        var thread = pthread_t()
        let box = Unmanaged.passRetained(self)
        let result = pthread_create(
            &thread, nil,
            { argument in
                guard let argument else { return nil }
                Unmanaged<PathWatch>.fromOpaque(argument).takeRetainedValue().loop()
                return nil
            }, box.toOpaque())
        guard result == 0 else {
            box.release()
            throw SourceError("start a thread for inotify", code: result)
        }
        pthread_detach(thread)
    }

    private func loop() {
        var buffer = [UInt8](repeating: 0, count: 16384)
        while !stopped.load(ordering: .acquiring) {
            var ready = [
                pollfd(fd: inotify, events: Int16(POLLIN), revents: 0),
                pollfd(fd: wake, events: Int16(POLLIN), revents: 0),
            ]
            guard poll(&ready, 2, -1) > 0 else {
                if errno == EINTR { continue }
                break
            }
            var changed = false
            while read(inotify, &buffer, buffer.count) > 0 { changed = true }
            if changed {
                count.wrappingAdd(1, ordering: .acquiringAndReleasing)
                continuation.yield()
            }
        }
        continuation.finish()
    }
}

extension PathWatch {
    /// Returns when nothing changed for `quiet`, at the latest after `longest`: editors and installers write in
    /// several steps.
    public func settle(quiet: Duration = .milliseconds(50), longest: Duration = .milliseconds(500)) async throws {
        let end = ContinuousClock.now + longest
        var seen = revision
        while ContinuousClock.now < end {
            try await Task.sleep(for: quiet)
            let now = revision
            if now == seen { return }
            seen = now
        }
    }
}

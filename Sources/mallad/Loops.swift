// SPDX-License-Identifier: Apache-2.0
import Logging
import MallaAPI
import MallaKernel
import MallaSources
import ServiceLifecycle
import UnixSignals

/// Follows the resource directory: by inotify, by a look every few seconds, and on SIGHUP.
struct ResourceLoop: ServiceLifecycle.Service {
    let node: Node
    let logger: Logger

    func run() async throws {
        let watch = node.directoryWatch
        await cancelWhenGracefulShutdown {
            await withTaskGroup(of: Void.self) { tasks in
                tasks.addTask {
                    for await _ in watch.changes {
                        do { try await watch.settle() } catch { return }
                        await node.reload()
                    }
                }
                tasks.addTask {
                    for await _ in Ticks(every: .seconds(5)) { await node.rescan() }
                }
                tasks.addTask {
                    for await _ in await UnixSignalsSequence(trapping: .sighup) {
                        logger.info("SIGHUP: reading the resources again")
                        Systemd.tell("RELOADING=1\nMONOTONIC_USEC=\(WallClock.monotonicNow() / 1000)")
                        await node.reload()
                        Systemd.tell("READY=1")
                    }
                }
            }
        }
        watch.stop()
    }
}

/// Follows the workloads' cgroups, the node's interfaces and its addresses.
struct PlacementLoop: ServiceLifecycle.Service {
    let node: Node

    func run() async throws {
        let watch = node.placementWatch
        let links = node.linkWatch
        await cancelWhenGracefulShutdown {
            await withTaskGroup(of: Void.self) { tasks in
                tasks.addTask {
                    for await _ in watch.changes {
                        do {
                            try await watch.settle(quiet: .milliseconds(10), longest: .milliseconds(100))
                        } catch {
                            return
                        }
                        await node.placementsChanged()
                    }
                }
                tasks.addTask {
                    for await _ in Ticks(every: .seconds(1)) { await node.lookForBypasses() }
                }
                tasks.addTask {
                    for await _ in Ticks(every: Node.drainInterval) { await node.drain() }
                }
                tasks.addTask {
                    await node.lookAfterKernel()
                    for await _ in Ticks(every: Node.careInterval) { await node.lookAfterKernel() }
                }
                tasks.addTask {
                    // At once: a workload that is just being connected may talk in the next moment.
                    for await _ in links.changes { await node.placementsChanged() }
                }
                tasks.addTask {
                    for await _ in Ticks(every: .seconds(2)) {
                        await node.addressesMayHaveChanged()
                        await node.placementsChanged()
                    }
                }
            }
        }
        watch.stop()
        links.stop()
    }
}

/// Reads the kernel's events, keeps them, and logs refusals: at most so many a second.
struct EventLoop: ServiceLifecycle.Service {
    let node: Node
    let logger: Logger
    private static let mostPerSecond = 10

    func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                do {
                    try await read()
                } catch {
                    logger.error("events cannot be read", metadata: ["error": "\(error)"])
                    try? await Task.sleep(for: .seconds(1))
                }
            }
        }
        node.hub.end()
    }

    private func read() async throws {
        var second = ContinuousClock.now
        var logged = 0
        var withheld = 0
        for try await event in try node.kernel.reader.events() {
            let view = EventView(event, await node.names)
            node.hub.record(view)
            guard event.kind == .refused else { continue }
            let now = ContinuousClock.now
            if now - second > .seconds(1) { (second, logged) = (now, 0) }
            guard logged < Self.mostPerSecond else {
                withheld += 1
                continue
            }
            logged += 1
            logger.info("refused", metadata: view.metadata(withheld: withheld))
            withheld = 0
        }
    }
}

/// Tells the service manager's watchdog that the node still answers.
struct WatchdogLoop: ServiceLifecycle.Service {
    let node: Node
    let interval: Duration

    func run() async throws {
        await cancelWhenGracefulShutdown {
            for await _ in Ticks(every: interval) {
                // Through the actor: one that hangs must not look alive.
                _ = await node.names
                Systemd.tell("WATCHDOG=1")
            }
        }
    }
}

/// An element at regular times, until the task is cancelled.
struct Ticks: AsyncSequence, AsyncIteratorProtocol {
    let every: Duration

    func makeAsyncIterator() -> Ticks { self }

    mutating func next() async -> Void? {
        do {
            try await Task.sleep(for: every)
            return ()
        } catch {
            return nil
        }
    }
}

extension Node {
    /// Names for numbers as they are now.
    var names: Names { Names(numbers) }
}

extension EventView {
    fileprivate func metadata(withheld: Int) -> Logger.Metadata {
        var metadata: Logger.Metadata = [
            "reason": "\(reason)", "workload": "\(source)", "to": "\(original)", "command": "\(command)",
            "pid": "\(pid)",
        ]
        if !service.isEmpty { metadata["service"] = "\(service)" }
        if !target.isEmpty { metadata["target"] = "\(target)" }
        if let rule { metadata["rule"] = "\(rule)" }
        if withheld > 0 { metadata["more_like_this"] = "\(withheld)" }
        return metadata
    }
}

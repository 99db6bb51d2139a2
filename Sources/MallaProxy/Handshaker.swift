// SPDX-License-Identifier: Apache-2.0

import Glibc
import Reactor
import TLSWire

/// One thread's handshakes. See ``Handshakers``.
struct Handshaker: ~Copyable {
    /// What it is told.
    enum Message: Sendable {
        case carry(Handshakers.Task)
        case stop
    }

    /// A handshake on its way. Classes and arrays will do: it is once per connection, and each has a millisecond of work.
    private final class Pending {
        let task: Handshakers.Task
        var handshake: TLSHandshake?
        var input: [UInt8] = []
        /// Bytes for the peer that it did not take yet.
        var output: [UInt8] = []
        var timer = Timer.none
        /// How it will end once the output has left.
        var conclusion: Conclusion?

        init(_ task: Handshakers.Task, _ handshake: consuming TLSHandshake) {
            self.task = task
            self.handshake = consume handshake
        }
    }

    private enum Conclusion {
        case done
        case failed(TLSReason)
    }

    /// Tells the mailbox's events from those of sockets, and both from timers.
    private enum Source {
        static let mailbox: UInt8 = 1
        static let socket: UInt8 = 2
        static let timer: UInt8 = 3
    }

    private static let portion = 32 << 10
    /// A tenth of a worker's share where both want the processor.
    private static let niceness: Int32 = 10

    private var loop: EventLoop
    private var timers: TimerWheel
    private let mailbox: Mailbox<Message>
    private let limit: Int
    private let patience: UInt64
    private var pending: [UInt32: Pending] = [:]
    private var number: UInt32 = 0
    private var isStopped = false
    private let scratch: UnsafeMutableRawBufferPointer
    private let room: UnsafeMutableRawBufferPointer

    init(_ mailbox: Mailbox<Message>, limit: Int, patience: UInt64) throws(SystemError) {
        let loop = try EventLoop()
        timers = TimerWheel(now: loop.now)
        self.loop = loop
        self.mailbox = mailbox
        self.limit = max(1, limit)
        self.patience = patience
        scratch = .allocate(byteCount: Self.portion, alignment: 16)
        room = .allocate(byteCount: TLSHandshake.room, alignment: 16)
        _ = self.loop.add(level: mailbox.descriptor, token: Token(kind: Source.mailbox, index: 0, generation: 0))
    }

    deinit {
        scratch.deallocate()
        room.deallocate()
    }

    /// Works until it is stopped.
    mutating func run() {
        // Workers first: a storm of handshakes waits, not those that are served.
        _ = setpriority(Int32(PRIO_PROCESS.rawValue), 0, Self.niceness)
        while !isStopped {
            let count = loop.wait(milliseconds: timers.sleep(now: loop.now))
            for index in 0..<count {
                let event = loop.event(index)
                if event.token.kind == Source.mailbox {
                    for message in mailbox.collect() { obey(message) }
                } else {
                    advance(event.token.index)
                }
            }
            while let token = timers.fire(now: loop.now) {
                pending[token.index]?.timer = .none
                end(token.index, .failed(.handshakeTimeout))
            }
        }
        for number in Array(pending.keys) { end(number, .failed(.handshakeEnded)) }
    }

    private mutating func obey(_ message: Message) {
        switch message {
        case .stop: isStopped = true
        case .carry(let task): begin(task)
        }
    }

    private mutating func begin(_ task: Handshakers.Task) {
        guard pending.count < limit,
            let handshake = try? Self.handshake(task.side)
        else {
            Socket.reset(task.socket)
            task.answer(Handshakers.Answer(tag: task.tag, owner: nil, outcome: .failed(.exhausted)))
            return
        }
        number &+= 1
        let one = Pending(task, handshake)
        pending[number] = one
        guard loop.add(socket: task.socket, token: Token(kind: Source.socket, index: number, generation: 0)) == 0 else {
            end(number, .failed(.exhausted))
            return
        }
        one.timer = timers.set(
            deadline: loop.now &+ patience, token: Token(kind: Source.timer, index: number, generation: 0))
        if case .client = task.side { step(one) }
        advance(number)
    }

    private static func handshake(_ side: Handshakers.Side) throws(TLSReason) -> TLSHandshake {
        let now = Int64(time(nil))
        switch side {
        case .client(let settings, let expected, let serverName):
            return try TLSHandshake(settings, expected: expected, serverName: serverName, now: now)
        case .server(let directory):
            return try TLSHandshake(directory, now: now)
        }
    }

    /// Goes on with one as far as it goes without waiting.
    private mutating func advance(_ number: UInt32) {
        guard let one = pending[number] else { return }
        while true {
            guard send(one) else {
                end(number, .failed(.handshakeEnded))
                return
            }
            guard one.output.isEmpty else { return }
            if let conclusion = one.conclusion {
                end(number, conclusion)
                return
            }
            guard let base = scratch.baseAddress else { return }
            let count = Socket.receive(one.task.socket, into: base, capacity: scratch.count)
            if count == -Int(EAGAIN) { return }
            guard count > 0 else {
                end(number, .failed(.handshakeEnded))
                return
            }
            one.input.append(contentsOf: scratch[..<count])
            step(one)
        }
    }

    private func step(_ one: Pending) {
        guard var handshake = one.handshake.take() else { return }
        let step = one.input.withUnsafeBytes { handshake.step($0, into: room) }
        one.input.removeFirst(step.consumed)
        one.output.append(contentsOf: room[..<step.produced])
        one.handshake = consume handshake
        switch step.outcome {
        case .wantsInput, .wantsRoom: break
        case .done: one.conclusion = .done
        case .failed(let reason): one.conclusion = .failed(reason)
        }
    }

    /// False: the peer is gone.
    private func send(_ one: Pending) -> Bool {
        while !one.output.isEmpty {
            let sent = one.output.withUnsafeBytes { bytes in
                bytes.baseAddress.map { Socket.send(one.task.socket, $0, count: bytes.count) } ?? 0
            }
            if sent == -Int(EAGAIN) { return true }
            guard sent > 0 else { return one.conclusion != nil }
            one.output.removeFirst(sent)
        }
        return true
    }

    private mutating func end(_ number: UInt32, _ conclusion: Conclusion) {
        guard let one = pending.removeValue(forKey: number) else { return }
        timers.cancel(one.timer)
        loop.remove(one.task.socket)
        let tag = one.task.tag
        do throws(TLSReason) {
            if case .failed(let reason) = conclusion { throw reason }
            guard let handshake = one.handshake.take() else { throw .failed }
            let owner = handshake.owner
            let (stream, peer) = try handshake.finish()
            one.task.answer(
                Handshakers.Answer(
                    tag: tag, owner: owner,
                    outcome: .done(socket: one.task.socket, stream: stream, peer: peer, rest: one.input)))
        } catch {
            // In an orderly way: the alert is still to arrive.
            Socket.close(one.task.socket)
            one.task.answer(Handshakers.Answer(tag: tag, owner: nil, outcome: .failed(error)))
        }
    }
}

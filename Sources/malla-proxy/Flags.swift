// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc
import MallaModel
import MallaProxy

/// The command line of malla-proxy.
struct Flags {
    static let usage = """
        Usage: malla-proxy --link-fd N --counters PATH [options]

        The node proxy of Malla. mallad starts it; it is of no use by itself.

          --link-fd N           descriptor of the listening Unix socket to the daemon
          --counters PATH       file of counters, shared with the daemon
          --port PORT           TCP port on 127.0.0.1 and ::1 for captured connections (default 15001)
          --tunnel ADDRESS:PORT where tunnels of other nodes are accepted (HBONE); may be given several times
          --workers N           threads (default: one for each CPU that it may use)
          --connections N       connections carried at a time (default: what descriptors suffice for)
          --source-limit N      connections, and requests, of one source in each thread (default: a fair share)
          --endpoint-limit N    connections and requests at one endpoint from each thread (default: no limit)
          --grace SECONDS       how long connections may finish after SIGTERM (default 30)
          --log-format FORMAT   text or json (default text)
          --node NAME           the node's name, in log lines (default: the host's name)
          --help                this text

        """

    var link: Int32 = -1
    var counters = ""
    var port: UInt16 = 15001
    var tunnels: [SocketAddress] = []
    var workers = max(1, Int(linux_usable_cpus()))
    var connections: Int?
    var limits = Proxy.Limits()
    var grace: Nanoseconds = 30_000_000_000
    var format = Log.Format.text
    var node = ""
    var wantsHelp = false

    /// What was wrong with the command line.
    struct Mistake: Error {
        let description: String
    }

    init(_ arguments: [String]) throws(Mistake) {
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            if argument == "--help" || argument == "-h" {
                wantsHelp = true
                return
            }
            let parts = argument.split(separator: "=", maxSplits: 1).map(String.init)
            guard let name = parts.first, let value = parts.count == 2 ? parts[1] : rest.popFirst() else {
                throw Mistake(description: "\(argument) needs a value")
            }
            switch name {
            case "--link-fd": link = try Self.number(name, value, 0...Int32.max)
            case "--counters": counters = value
            case "--port": port = try Self.number(name, value, 0...UInt16.max)
            case "--tunnel":
                guard let address = SocketAddress(value) else {
                    throw Mistake(description: "--tunnel is an address and a port, 10.0.0.1:15008, not \(value)")
                }
                tunnels.append(address)
            case "--workers": workers = try Self.number(name, value, 1...256)
            case "--connections": connections = try Self.number(name, value, 1...10_000_000)
            case "--source-limit": limits.source = try Self.number(name, value, 1...10_000_000)
            case "--endpoint-limit": limits.endpoint = try Self.number(name, value, 1...10_000_000)
            case "--grace": grace = try Self.number(name, value, 0...86_400) * 1_000_000_000
            case "--node": node = value
            case "--log-format":
                guard let known = Log.Format(rawValue: value) else {
                    throw Mistake(description: "--log-format is text or json, not \(value)")
                }
                format = known
            default: throw Mistake(description: "\(name) is no option of malla-proxy")
            }
        }
        guard link >= 0 else { throw Mistake(description: "--link-fd is missing") }
        guard !counters.isEmpty else { throw Mistake(description: "--counters is missing") }
        if node.isEmpty { node = Self.hostName() }
    }

    private static func number<Number: FixedWidthInteger>(
        _ name: String, _ value: String, _ range: ClosedRange<Number>
    ) throws(Mistake) -> Number {
        guard let number = Number(value), range.contains(number) else {
            throw Mistake(
                description: "\(name) is a number from \(range.lowerBound) to \(range.upperBound), not \(value)")
        }
        return number
    }

    private static func hostName() -> String {
        var name = [CChar](repeating: 0, count: 256)
        guard gethostname(&name, name.count - 1) == 0 else { return "localhost" }
        return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

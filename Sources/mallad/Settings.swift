// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Glibc
import MallaKernel
import MallaModel
import MallaSources

/// What the daemon was started with, checked.
struct Settings: Sendable {
    var config: String
    var state: String
    var node: String
    /// The node's own address, if one was given.
    var address: Address?
    /// Where the node is.
    var locality: Locality
    var tree: CgroupTree
    var pins: String
    var admin: String
    var metrics: SocketAddress
    var logFormat: LogFormat
    /// 0: there is no proxy.
    var proxyPort: UInt16
    var dnsPort: UInt16
    /// The proxy's program; `nil`: there is none.
    var proxy: String?
    var stopProxyOnExit: Bool
    var interfaceHooks: InterfaceHooks
    /// Whether the kernel measures its programs.
    var programStatistics: Bool
    var issuance: IssuanceSettings

    var proxySocket: String { "\(state)/proxy.sock" }
    var proxyCounters: String { "\(state)/proxy.counters" }

    /// Where daemon and proxy listen on this node, as far as the flags say; 0 is left out.
    var ownPorts: Set<UInt16> {
        Set([proxyPort, dnsPort, metrics.port, issuance.listen?.port ?? 0]).subtracting([0])
    }

    /// Checks the flags. Throws what is wrong with one of them.
    init(_ flags: Mallad) throws {
        config = Self.absolute(flags.config)
        state = Self.absolute(flags.state)
        node = flags.node ?? Self.hostName()
        guard !node.isEmpty, node.utf8.count <= 253, node.allSatisfy({ !$0.isWhitespace }) else {
            throw SettingError("--node \(node) is no name")
        }
        if let text = flags.address {
            guard let address = Address(text), !address.isUnspecified else {
                throw SettingError("--address \(text) is no IP address")
            }
            self.address = address
        }
        locality = Locality(
            node: node, zone: try Self.place(flags.zone, "--zone"), region: try Self.place(flags.region, "--region"))
        tree = try CgroupTree(root: flags.cgroup.map(Self.absolute))
        pins = Self.absolute(flags.pins)
        admin = Self.absolute(flags.admin)
        guard let metrics = SocketAddress(text: flags.metrics) else {
            throw SettingError("--metrics \(flags.metrics) is no address with a port, such as 127.0.0.1:15020")
        }
        self.metrics = metrics
        logFormat = flags.logFormat
        proxyPort = flags.noProxy ? 0 : flags.proxyPort
        dnsPort = flags.dnsPort
        proxy = flags.noProxy ? nil : flags.proxy.map(Self.absolute) ?? Self.besideOwnProgram("malla-proxy")
        stopProxyOnExit = flags.stopProxyOnExit
        interfaceHooks = flags.interfaceHooks == .clsact ? .filters : .automatic
        programStatistics = flags.programStatistics
        issuance = try IssuanceSettings(flags, node: node)
        guard flags.noProxy || flags.proxyPort != 0 else {
            throw SettingError("--proxy-port 0: the kernel has to know the port; use --no-proxy to run without a proxy")
        }
        guard dnsPort == 0 || dnsPort != proxyPort else {
            throw SettingError("--dns-port and --proxy-port are both \(dnsPort)")
        }
    }

    private static func place(_ name: String?, _ flag: String) throws -> String {
        guard let name else { return "" }
        guard !name.isEmpty, name.utf8.count <= 63, name.allSatisfy({ !$0.isWhitespace }) else {
            throw SettingError("\(flag) \(name) is no name of a place")
        }
        return name
    }

    static func absolute(_ path: String) -> String {
        var path = path
        if !path.hasPrefix("/") {
            var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
            if getcwd(&buffer, buffer.count) != nil {
                path =
                    String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self) + "/"
                    + path
            }
        }
        // The kernel side compares paths, so each has one spelling.
        let parts = path.split(separator: "/").filter { $0 != "." }
        return "/" + parts.joined(separator: "/")
    }

    private static func besideOwnProgram(_ name: String) -> String {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = readlink("/proc/self/exe", &buffer, buffer.count)
        guard count > 0 else { return "/usr/bin/\(name)" }
        let own = String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return own.split(separator: "/").dropLast().reduce("") { "\($0)/\($1)" } + "/\(name)"
    }

    private static func hostName() -> String {
        var buffer = [CChar](repeating: 0, count: 256)
        guard gethostname(&buffer, buffer.count - 1) == 0 else { return "localhost" }
        return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

/// A flag that cannot be used.
struct SettingError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

extension SocketAddress {
    /// Reads `IP:PORT` or `[IPv6]:PORT`.
    init?(text: String) {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
            return nil
        }
        var host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = host.dropFirst().dropLast()
        } else if host.contains(":") {
            return nil
        }
        guard let address = Address(String(host)) else { return nil }
        self.init(address, port)
    }
}

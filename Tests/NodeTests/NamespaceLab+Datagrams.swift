// SPDX-License-Identifier: Apache-2.0
import Foundation

/// What `lab-peer ask` says.
struct AskResult: Decodable {
    var errno: Int32
    var stage: String
    /// How many of the datagrams were answered.
    var answers: Int
    /// Whether each answer had what was sent.
    var whole: Bool?
    var server: String?
    /// The address that the server saw.
    var seen: String?
    /// From whom the last answer came.
    var peer: String?
}

/// What `lab-peer resolve` says.
struct ResolveResult: Decodable {
    var errno: Int32
    var stage: String
    /// DNS's response code.
    var code: Int?
    /// The IPv4 address of the first answer; empty when there is none.
    var address: String?
    /// Who answered.
    var peer: String?
}

extension NamespaceLab {
    /// Starts the UDP server of a pod.
    func answer(_ pod: Pod) throws {
        try peer(pod, ["answer", "::", "\(Pod.port)", pod.name]).expect("listening")
    }

    /// Sends datagrams from a pod, one after the other, each with its answer awaited.
    func ask(
        _ pod: Pod, _ family: Family, _ address: String, _ port: Int, connected: Bool, count: Int = 5, size: Int = 500
    ) throws -> AskResult {
        try peer(
            pod,
            [
                "ask", family.rawValue, address, "\(port)", connected ? "connected" : "unconnected", "\(count)",
                "\(size)",
            ]
        ).wait().json(AskResult.self)
    }

    /// Asks a DNS server for a name's IPv4 address.
    func resolve(_ pod: Pod, _ family: Family, _ server: String, _ name: String, _ transport: String) throws
        -> ResolveResult
    {
        try peer(pod, ["resolve", family.rawValue, server, name, transport]).wait().json(ResolveResult.self)
    }

    /// The lab's peer on the node itself, outside of the mesh.
    func stranger(_ arguments: [String]) throws -> Output {
        try run(lab.inside([try Lab.product("lab-peer")] + arguments))
    }
}

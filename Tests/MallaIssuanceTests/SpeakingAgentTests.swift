// SPDX-License-Identifier: Apache-2.0

import Foundation
import MallaIssuance
import NIOPosix
import Testing

extension WorkloadAPITests {
    /// What a number of sources that ask at once say first of an agent.
    private func complaints(of agent: SpeakingAgent, to count: Int) async throws -> [String] {
        let sources = (0..<count).map { _ in
            WorkloadAPISource(
                agent.socket, group: Self.group, now: { Int64(Date().timeIntervalSince1970) }, random: { 0 },
                logger: quiet)
        }
        let tasks = sources.map { source in Task { await source.run { _ in } } }
        defer { for task in tasks { task.cancel() } }
        var said: [String] = []
        for source in sources {
            try await eventually("it says something") { await source.problem != nil }
            said.append(await source.problem ?? "")
        }
        return said
    }

    @Test("An agent that speaks as soon as it is connected is heard, however many ask at once")
    func speaksFirst() async throws {
        let agent = try SpeakingAgent(
            folder, first: SpeakingAgent.settings, answer: SpeakingAgent.acknowledgement + SpeakingAgent.refusal)
        let said = try await complaints(of: agent, to: 64)
        #expect(Set(said) == ["the Workload API ended the stream with status 7: "])
    }

    @Test("A connection that breaks HTTP/2 is given up at once, and in words")
    func breaksTheProtocol() async throws {
        // An answer where SETTINGS should have come first.
        let agent = try SpeakingAgent(folder, first: SpeakingAgent.refusal, answer: [])
        let said = try await complaints(of: agent, to: 1)
        let expected = "the connection to the Workload API at \(agent.socket) failed: "
        #expect(said.allSatisfy { $0.hasPrefix(expected) }, "\(said)")
    }
}

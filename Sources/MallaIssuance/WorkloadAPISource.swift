// SPDX-License-Identifier: Apache-2.0

public import Logging
public import MallaIdentity
public import MallaModel
public import NIOPosix

/// A SPIFFE Workload API, such as a SPIRE agent's, as the source of certificates: it makes the keys, too, and says when
/// there are others. What it gave last is good until it ends, wherever it has gone.
public actor WorkloadAPISource: CertificateSource {
    private let client: WorkloadAPIClient
    private let now: @Sendable () -> Int64
    private let random: @Sendable () -> Double
    private let logger: Logger
    private var answer: WorkloadAnswer?
    /// Why there may be newer ones than these; `nil`: the stream stands.
    public private(set) var problem: String?
    private var told: [String] = []

    /// The API at a socket.
    public init(
        _ path: String, group: MultiThreadedEventLoopGroup, now: @escaping @Sendable () -> Int64,
        random: @escaping @Sendable () -> Double = { Double.random(in: 0...1) }, logger: Logger
    ) {
        client = WorkloadAPIClient(path: path, group: group)
        self.now = now
        self.random = random
        self.logger = logger
    }

    /// What it has given is here.
    public nonisolated var isLocal: Bool { true }

    /// Keeps a stream open until the task is cancelled, and a new one after a pause wherever one ends: a second, doubling
    /// up to half a minute. `changed` gets whose SVIDs were taken back.
    public func run(_ changed: @Sendable (Set<Identity>) async -> Void) async {
        var failures = 0
        while !Task.isCancelled {
            do {
                for try await message in try await client.messages() {
                    let gone = try take(message)
                    failures = 0
                    await changed(gone)
                }
            } catch {
                if Task.isCancelled { return }
                note("\(error)")
            }
            failures += 1
            let pause = min(30, Renewal.pause(failures: failures, random: random()))
            do { try await Task.sleep(for: .seconds(pause)) } catch { return }
        }
    }

    /// - Returns: whose SVIDs are not there any more. Only an answer takes them back: a stream that ends does not, nor
    ///   does a refusal, which an agent gives, too, while it starts.
    private func take(_ message: [UInt8]) throws -> Set<Identity> {
        let news = try WorkloadAnswer(message)
        let gone = Set(answer?.svids.keys.map { $0 } ?? []).subtracting(news.svids.keys)
        answer = news
        problem = nil
        for line in news.refused where !told.contains(line) {
            logger.warning("an SVID of the Workload API is not used", metadata: ["problem": "\(line)"])
        }
        told = news.refused
        logger.info("the Workload API gave SVIDs", metadata: ["count": "\(news.svids.count)"])
        return gone
    }

    private func note(_ why: String) {
        if problem != why { logger.warning("the Workload API gives nothing new", metadata: ["error": "\(why)"]) }
        problem = why
    }

    /// The SVID that it gave last for a name, with its key: `key` and `lifetime` are the API's own matter.
    public func certificate(
        for subject: Subject, key: IdentityKey, lifetime: Int64
    ) async throws -> IssuedCertificate {
        guard let answer else {
            throw IdentityProblem(.unavailable, problem ?? "the Workload API has not answered yet")
        }
        guard case .workload(let identity) = subject, let svid = answer.svids[identity] else {
            throw IdentityProblem(.denied, "the Workload API gives no SVID for \(subject): \(Self.summary(of: answer))")
        }
        let half = svid.chain.notBefore + (svid.chain.notAfter - svid.chain.notBefore) / 2
        // Who has this one in use is to be told that there should be another by now.
        if let problem, now() > half { throw IdentityProblem(.unavailable, problem) }
        return IssuedCertificate(chain: svid.chain, anchors: svid.bundle, key: svid.key)
    }

    private static func summary(of answer: WorkloadAnswer) -> String {
        let names = answer.svids.keys.map(\.spiffeID).sorted()
        let given =
            names.isEmpty ? "it gives none that can be used" : "it gives \(names.prefix(5).joined(separator: ", "))"
        let more = names.count > 5 ? " and \(names.count - 5) more" : ""
        guard let first = answer.refused.first else { return given + more }
        return "\(given)\(more); not used: \(first)"
    }

    /// The bundle of a trust domain, as it came with its SVIDs.
    public func trust(of trustDomain: String, report: RotationCoverage.Node) async throws -> TrustNews {
        guard let answer else {
            throw IdentityProblem(.unavailable, problem ?? "the Workload API has not answered yet")
        }
        guard let own = answer.svids.first(where: { $0.key.trustDomain == trustDomain }) else {
            throw IdentityProblem(
                .unavailable,
                "the Workload API gives nothing of trust domain \(trustDomain): \(Self.summary(of: answer))")
        }
        return TrustNews(anchors: own.value.bundle)
    }
}

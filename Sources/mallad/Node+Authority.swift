// SPDX-License-Identifier: Apache-2.0
import Logging
import MallaAPI
import MallaAdmin
import MallaIdentity
import MallaIssuance
import MallaModel

/// The node's answers about certificates and who issues them.
extension Node {
    func certificates() async throws -> [CertificateView] {
        guard let issuance else { return [] }
        let now = Issuance.now()
        let roots = await issuance.credentials.rootNames
        return await issuance.credentials.entries.map { one in
            CertificateView(
                identity: one.identity.spiffeID, status: one.state.rawValue, serial: one.entry.chain?.serial,
                notBefore: one.entry.chain.map { WallClock.text(seconds: $0.notBefore) },
                notAfter: one.entry.chain.map { WallClock.text(seconds: $0.notAfter) },
                secondsLeft: one.entry.chain.map { $0.notAfter - now }, issuer: one.entry.chain?.issuer,
                root: roots[one.identity], failures: one.entry.failures, problem: one.entry.problem)
        }
    }

    func authority() async throws -> AuthorityView {
        let issuance = try identity()
        var view = AuthorityView(kind: "remote", roots: [])
        view.problem = await issuance.credentials.trustProblem
        var issuing: String?
        switch settings.issuance.issuer {
        case .nobody, .builtIn: view.kind = "built-in"
        case .files: view.kind = "files"
        case .remote(let address, _): view.address = "\(address)"
        case .workloadAPI(let path): (view.kind, view.address) = ("workload-api", path)
        }
        if let address = settings.issuance.listen { view.address = "\(address)" }
        if let authority = issuance.authority {
            issuing = try? await authority.trust(of: mesh.config.trustDomain).issuing
        }
        if let plugged = issuance.authority as? PluggedAuthority, let problem = await plugged.problem {
            view.problem = problem
        }
        if let problem = await issuance.workloadAPI?.problem { view.problem = problem }
        let anchors = await issuance.credentials.roots
        view.roots = anchors.all.map { root in
            RootView(
                fingerprint: root.fingerprint, name: root.name, notAfter: WallClock.text(seconds: root.notAfter),
                issues: issuing.map { $0 == root.fingerprint })
        }
        view.membershipEnds = await issuance.remote?.membershipEnd.map { WallClock.text(seconds: $0) }
        guard let desk = issuance.desk else { return view }
        var missing: @Sendable (RotationCoverage.Node) -> String? = { _ in nil }
        if let builtIn = issuance.builtIn {
            let plan = await builtIn.plan
            view.phase = plan.phase.rawValue
            if let other = plan.other, let fingerprint = await builtIn.fingerprints()[other] {
                missing = { plan.behind($0, fingerprint) }
            }
        }
        view.nodes = try await desk.coverage().nodes.sorted { $0.key < $1.key }.map { name, node in
            NodeTrustView(
                name: name, behind: missing(node), trusts: node.trusted.sorted(), uses: node.inUse.sorted(),
                heard: WallClock.text(seconds: node.heard))
        }
        return view
    }

    func tokens() async throws -> [TokenView] {
        try await desk().tokenEntries().map { TokenView($0) }
    }

    func createToken(_ request: TokenRequest) async throws -> TokenView {
        let desk = try desk()
        let token = try await refusing { try await desk.createToken(node: request.node, lifetime: request.seconds) }
        let id = token.split(separator: ".").dropFirst().first.map(String.init) ?? ""
        guard let entry = try await desk.tokenEntries().first(where: { $0.id == id }) else {
            throw AdminRefusal(.failed, "the token was lost while it was made")
        }
        logger.notice("made a join token", metadata: ["node": "\(request.node)", "id": "\(id)"])
        var view = TokenView(entry)
        view.token = token
        return view
    }

    func revokeToken(_ id: String) async throws {
        guard try await desk().revokeToken(id: id) else {
            throw AdminRefusal(.notFound, "there is no token \(id)", hint: "see `malla ca token list`")
        }
    }

    func expel(_ node: String) async throws {
        let desk = try desk()
        try await refusing { try await desk.expel(node) }
        logger.notice("expelled a node", metadata: ["node": "\(node)"])
    }

    func rotate(_ request: RotationRequest) async throws -> AuthorityView {
        guard let builtIn = try identity().builtIn, let desk = issuance?.desk else {
            throw AdminRefusal(
                .invalid, "only a node with the built-in authority rotates its root",
                hint: "an authority from files is replaced by replacing the files; another node's, there")
        }
        let coverage = try await desk.coverage()
        let trustDomain = mesh.config.trustDomain
        let plan = try await refusing {
            switch request.step {
            case "start": return try await builtIn.beginRotation(of: trustDomain)
            case "next": return try await builtIn.advanceRotation(coverage, force: request.force)
            case "abort": return try await builtIn.abortRotation()
            default: throw IdentityProblem(.invalid, "a step is start, next or abort, not \(request.step)")
            }
        }
        logger.notice(
            "a step of the root's rotation", metadata: ["step": "\(request.step)", "now": "\(plan.phase.rawValue)"])
        await issuance?.credentials.learnSoon()
        return try await authority()
    }

    private func identity() throws -> Issuance {
        guard let issuance else {
            throw AdminRefusal(
                .notFound, "nobody issues certificates to this node",
                hint: "start mallad with --ca local or --ca IP:PORT")
        }
        return issuance
    }

    private func desk() throws -> IssuanceDesk {
        guard let desk = try identity().desk else {
            throw AdminRefusal(
                .notFound, "the authority is not this node's",
                hint: "tokens are made where the authority is; a Workload API has no tokens of the mesh's")
        }
        return desk
    }

    private func refusing<Value: Sendable>(_ body: @Sendable () async throws -> Value) async throws -> Value {
        do {
            return try await body()
        } catch let problem as IdentityProblem {
            let kind: AdminRefusal.Kind =
                switch problem.kind {
                case .invalid: .invalid
                case .denied, .unauthenticated: .conflict
                case .broken: .failed
                case .unavailable: .unavailable
                }
            throw AdminRefusal(kind, problem.description)
        }
    }
}

extension TokenView {
    fileprivate init(_ entry: JoinTokens.Entry) {
        self.init(
            id: entry.id, node: entry.node, expires: WallClock.text(seconds: entry.expires),
            used: entry.used.map { WallClock.text(seconds: $0) })
    }
}

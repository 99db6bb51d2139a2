// SPDX-License-Identifier: Apache-2.0
import Logging
import MallaAPI
import MallaAdmin
import MallaModel
import MallaResources
import MallaSources

/// Workloads that `malla run` starts, from the request to the end of their last process.
extension Node {
    /// How long a workload may stay without a process before its first one comes.
    static let patience: Duration = .seconds(10)

    func addWorkload(_ request: WorkloadRequest) async throws -> WorkloadView {
        guard loaded != nil else {
            throw AdminRefusal(
                .unavailable, "no resources are in force yet, so nobody could be judged",
                hint: "mend the resources: \(config.problem ?? "the daemon is starting")")
        }
        let workload = try Workload(request)
        await endFinished()
        let problems = mesh.problems(admitting: workload, on: settings.node)
        guard problems.isEmpty else {
            let kind: AdminRefusal.Kind = mesh.workloads[workload.name] == nil ? .invalid : .conflict
            throw AdminRefusal(
                kind, problems.map { "\($0.field): \($0.message)" }.joined(separator: "; "),
                hint: problems.first { !$0.hint.isEmpty }?.hint)
        }
        let cgroup = settings.tree.workload(workload.name)
        if CgroupTree.isPopulated(cgroup) == true {
            throw AdminRefusal(
                .conflict, "processes of nobody's live in \(cgroup)", hint: "end them: they are refused as it is")
        }
        do {
            try CgroupTree.makeCgroup(cgroup)
            try runs.add(workload)
            awaited[workload.name] = .now
            try await reconcile()
        } catch {
            forget(workload.name)
            throw AdminRefusal(.failed, "the workload \(workload.name) could not be enrolled: \(error)")
        }
        guard let view = view(of: workload.name) else {
            throw AdminRefusal(.failed, "the workload \(workload.name) vanished while it was enrolled")
        }
        logger.info("enrolled a workload", metadata: ["workload": "\(workload.name)", "identity": "\(view.identity)"])
        return view
    }

    func removeWorkload(_ name: ObjectName) async throws {
        guard runs.workloads[name] != nil else {
            throw AdminRefusal(
                .notFound, "there is no workload \(name) that `malla run` started",
                hint: mesh.workloads[name] == nil ? nil : "it is in the resource directory: remove it there")
        }
        guard try CgroupTree.removeIfEmpty(settings.tree.workload(name)) else {
            throw AdminRefusal(
                .conflict, "processes of the workload \(name) still run", hint: "end them: it goes with the last one")
        }
        forget(name)
        try await reconcile()
    }

    /// Takes out workloads whose last process has ended, with their cgroups.
    func endFinished() async {
        var ended = false
        for name in runs.workloads.keys {
            let cgroup = settings.tree.workload(name)
            switch CgroupTree.isPopulated(cgroup) {
            case true?:
                awaited[name] = nil
                continue
            case false?:
                let isAwaited = awaited[name].map { ContinuousClock.now - $0 < Self.patience } ?? false
                if isAwaited, !CgroupTree.hasLived(cgroup) { continue }
            case nil: break
            }
            guard vacate(name) else { continue }
            forget(name)
            ended = true
            logger.info("a workload has ended", metadata: ["workload": "\(name)"])
        }
        guard ended else { return }
        do {
            try await reconcile()
        } catch {
            logger.error("a workload's end could not be carried out", metadata: ["error": "\(error)"])
        }
    }

    /// After a change on the machine: who came, who went, who listens where.
    func placementsChanged() async {
        await endFinished()
        do {
            try await reconcile()
        } catch {
            logger.error("a change on the node could not be carried out", metadata: ["error": "\(error)"])
        }
    }

    /// Takes a workload's cgroup away, unless somebody lives there. A look is not enough to end a workload by: its first
    /// process may move in right after it, and would be refused for ever.
    private func vacate(_ name: ObjectName) -> Bool {
        do {
            return try CgroupTree.removeIfEmpty(settings.tree.workload(name))
        } catch {
            logger.warning(
                "a workload without processes cannot be taken out",
                metadata: ["workload": "\(name)", "error": "\(error)"])
            return false
        }
    }

    private func forget(_ name: ObjectName) {
        awaited[name] = nil
        do {
            try runs.remove(name)
            try CgroupTree.removeCgroups(settings.tree.workload(name))
        } catch {
            logger.warning("a workload left something behind", metadata: ["workload": "\(name)", "error": "\(error)"])
        }
    }
}

extension Workload {
    /// The workload that a request describes. Whether it fits into the mesh is checked later.
    fileprivate init(_ request: WorkloadRequest) throws {
        let addresses = try request.addresses.map { text in
            guard let address = Address(text) else {
                throw AdminRefusal(.invalid, "spec.addresses: \(text) is no IP address")
            }
            return address
        }
        self.init(
            name: ObjectName(request.name, namespace: request.namespace), labels: request.labels,
            serviceAccount: request.serviceAccount, match: .run,
            ports: request.ports.map { Workload.Port(name: $0.name ?? "", port: $0.port) },
            addresses: addresses.isEmpty ? [.loopback4] : addresses, weight: request.weight ?? 1)
    }
}

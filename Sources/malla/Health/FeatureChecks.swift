// SPDX-License-Identifier: Apache-2.0
import BPFKit
import MallaKernel

/// What this kernel takes, found out by giving it tiny programs, and then this build's own.
struct FeatureChecks {
    /// Without these there is no node.
    private static let needed: [KernelFeature] = [
        .connectHook, .datagramHook, .answerHook, .peerNameHook, .bindHook, .socketHook, .chosenErrno, .sockOps,
        .socketLookup, .syscallPrograms, .socketStorage, .storageIterator, .ringBuffer, .perCPUHash, .lruHash,
        .socketMap,
    ]
    /// What a node can do without, and what is missing then.
    private static let useful: [(feature: KernelFeature, loss: String)] = [
        (.tcpIterator, "open connections are not cut when they are no longer allowed"),
        (.udpIterator, "open UDP sockets are not cut when they are no longer allowed"),
        (.socketDestroy, "open connections are not cut when they are no longer allowed"),
        (.fileIterator, "sockets that go past the hooks are not found"),
        (.interfacePrograms, "workloads in network namespaces cannot be captured"),
    ]

    /// One for each feature and object; none when this user may not try, which `HostChecks` says.
    var findings: [Finding] {
        guard KernelFeature.connectHook.probe() != .notPermitted else { return [] }
        return Self.needed.map(Self.finding) + Self.useful.map(Self.finding) + objects
    }

    private static func finding(_ feature: KernelFeature) -> Finding {
        let id = identifier(feature)
        switch feature.probe() {
        case .available: return .ok(id, feature.name)
        case .notPermitted: return .failed(id, "\(feature.name): this user may not try", "sudo malla doctor")
        case .missing(let errno):
            return .failed(
                id, "\(feature.name): refused (\(SystemError.text(errno))); Linux has them since \(feature.since)",
                "boot a newer kernel, or one with CONFIG_BPF_SYSCALL and CONFIG_CGROUP_BPF: "
                    + "apt-get install linux-image-amd64")
        }
    }

    private static func finding(_ feature: KernelFeature, _ loss: String) -> Finding {
        let finding = finding(feature)
        guard finding.result == .failed else { return finding }
        return .warning(finding.id, "\(finding.message): \(loss)", "use Linux \(feature.since) or later")
    }

    private static func identifier(_ feature: KernelFeature) -> String {
        "feature-" + feature.name.lowercased().map { $0.isLetter || $0.isNumber ? String($0) : "-" }.joined()
    }

    private var objects: [Finding] {
        let trials = ObjectTrial.all()
        let refused = trials.filter { $0.refusal != nil }
        guard !refused.isEmpty else {
            let programs = trials.reduce(0) { $0 + $1.programs }
            let instructions = trials.reduce(0) { $0 &+ $1.instructions }
            return [
                .ok(
                    "objects",
                    "the verifier takes all \(programs) programs of this build, \(instructions) instructions")
            ]
        }
        return refused.map {
            let message = "the kernel refuses this build's programs of \($0.object): \($0.refusal ?? "")"
            return $0.isOptional
                ? .warning("objects", message, "the node works without; report it with `malla bugreport`")
                : .failed("objects", message, "report it with `malla bugreport`; an older kernel may do")
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
import Logging
import MallaKernel
import MallaModel
import MallaSources
import MallaTelemetry

/// What looking after the kernel side has brought to light since the daemon started.
struct KernelCare: Sendable {
    /// How often something was put back, by what had happened.
    var repairs: [Repair.Damage: UInt64] = [:]
    /// Programs of others at the node's hooks, as of the last look.
    var foreign: [ForeignProgram] = []
    /// What cannot be put back; nil: nothing.
    var problem: String?
}

/// The daemon looks after what it has put into the kernel: anybody with the right to may take it away.
extension Node {
    /// Between two looks. What was taken away is noticed and put back within this time and a moment.
    static let careInterval: Duration = .seconds(5)

    /// Puts back what somebody took away, looks for programs of others, and tells of both.
    func lookAfterKernel() {
        do {
            try kernel.reader.tidy()
        } catch {
            logger.warning("records of connections could not be tidied", metadata: ["error": "\(error)"])
        }
        do {
            for repair in try kernel.repair() {
                care.repairs[repair.damage, default: 0] &+= 1
                logger.error(
                    "somebody took away what the mesh rests on; it is back, and connections may have gone past it",
                    metadata: [
                        "damage": "\(repair.damage.rawValue)", "object": "\(repair.name)",
                        "place": "\(repair.place.isEmpty ? settings.pins : repair.place)",
                    ])
            }
            if care.problem != nil { logger.notice("the kernel side is whole again") }
            care.problem = nil
        } catch {
            if care.problem == nil { logger.critical("the kernel side is not whole", metadata: ["error": "\(error)"]) }
            care.problem = "\(error)"
        }
        do {
            // Programs of single workloads' own cgroups are left to `malla doctor`, which looks once.
            let outside = Set(placements.values.filter { $0.cgroup != 0 && !isInside($0) }.map(\.cgroupPath))
            let foreign = try kernel.reader.foreignPrograms(
                on: [settings.tree.root] + outside.sorted(), interfaces: kernel.capturedInterfaces.sorted())
            for program in Set(foreign).subtracting(care.foreign) {
                logger.warning(
                    "another program runs where the mesh decides",
                    metadata: [
                        "program": "\(program.name.isEmpty ? "?" : program.name)", "id": "\(program.id)",
                        "hook": "\(program.hook)", "place": "\(program.place)",
                        "order": "\(program.order.rawValue) the mesh's",
                    ])
            }
            care.foreign = foreign
        } catch {
            logger.warning("programs of others could not be looked for", metadata: ["error": "\(error)"])
        }
    }

    /// How the last look went, for `/metrics`.
    var careSamples: [Sample] {
        let hooks = Dictionary(grouping: care.foreign, by: \.hook).mapValues { UInt64(clamping: $0.count) }
        return Repair.Damage.allCases.map { Sample(.kernelRepairs, [$0.rawValue], care.repairs[$0] ?? 0) }
            + hooks.sorted { $0.key < $1.key }.map { Sample(.foreignPrograms, [$0.key], $0.value) }
            + [Sample(.kernelWhole, care.problem == nil ? 1 : 0)]
    }
}

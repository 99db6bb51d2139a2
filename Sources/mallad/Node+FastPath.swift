// SPDX-License-Identifier: Apache-2.0
import Logging
import MallaAPI
import MallaKernel
import MallaModel

/// The kernel's fast path, for services whose traffic policy asks for it.
extension Node {
    /// Switches it on while a service asks for it, unless this kernel does not do it right.
    func useFastPath(of mesh: Mesh) {
        let wanted = mesh.trafficPolicies.values.contains { $0.fastPath }
        let former = kernel.fastPath.state
        do {
            try kernel.fastPath.use(wanted)
        } catch {
            logger.error("the fast path could not be switched", metadata: ["error": "\(error)"])
        }
        guard kernel.fastPath.state != former else { return }
        switch kernel.fastPath.state {
        case .off: logger.notice("the fast path is off: no service asks for it")
        case .on(let limits): logger.notice("the fast path is on", metadata: ["limits": "\(limits)"])
        case .refused(let flaw):
            logger.warning("this kernel does not do the fast path right; it stays off", metadata: ["flaw": "\(flaw)"])
        }
    }

    /// How it stands, for `malla status`; `nil` while nobody asks for it.
    var fastPathView: FastPathView? {
        switch kernel.fastPath.state {
        case .off: nil
        case .on(let limits): FastPathView(isOn: true, limits: limits)
        case .refused(let flaw): FastPathView(isOn: false, obstacle: flaw)
        }
    }
}

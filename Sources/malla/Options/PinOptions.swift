// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Glibc

/// Where a node's maps, links and programs are pinned.
struct PinOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The node's pin directory, where no daemon says it. (default: $MALLA_PINS, else \(PinOptions.standard))",
            valueName: "directory"), completion: .directory)
    var pins: String?

    /// Where `mallad` pins unless it is told otherwise.
    static let standard = "/sys/fs/bpf/malla"

    /// The directory that was named; `nil`: none was.
    var named: String? {
        if let pins { return pins }
        guard let set = getenv("MALLA_PINS"), set.pointee != 0 else { return nil }
        return String(cString: set)
    }

    /// The directory that was named, else the standard one.
    var wanted: String { named ?? Self.standard }
}

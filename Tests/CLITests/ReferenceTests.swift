// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@Suite("The generated pages of docs/reference are up to date; else run scripts/reference")
struct ReferenceTests {
    @Test("cli.md says what the definitions of the commands say")
    func commands() throws {
        let dump = try malla(["--experimental-dump-help"])
        let page = try execute(product("reference"), ["cli"], input: dump.text)
        #expect(page.status == 0 && page.text.contains("## malla explain"), "\(page.errors)")
        try expectRecorded(page.text, at: repository.appendingPathComponent("docs/reference/cli.md"))
    }

    @Test("metrics.md says what the catalogue says")
    func metrics() throws {
        let page = try execute(product("reference"), ["metrics"])
        #expect(page.status == 0 && page.text.contains("| `malla_generation` | gauge | – |"), "\(page.errors)")
        try expectRecorded(page.text, at: repository.appendingPathComponent("docs/reference/metrics.md"))
    }

    @Test("reasons.md says what bpf/include/malla/reason.h says")
    func reasons() throws {
        let page = try execute(product("reference"), ["reasons"])
        #expect(page.status == 0 && page.text.contains("| `policy_denied` | 1 | `EPERM` |"), "\(page.errors)")
        try expectRecorded(page.text, at: repository.appendingPathComponent("docs/reference/reasons.md"))
    }
}

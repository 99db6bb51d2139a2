// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import Glibc

// Writes one page of docs/reference to standard output:
//   reference cli <DUMP      from the JSON of `malla --experimental-dump-help`
//   reference reasons        from bpf/include/malla/reason.h
//   reference metrics        from the catalogue of MallaTelemetry

func fail(_ text: String) -> Never {
    StandardStreams.write("reference: \(text)\n", to: STDERR_FILENO)
    exit(2)
}

switch CommandLine.arguments.dropFirst() {
case ["reasons"]:
    StandardStreams.write(ReasonsPage.text, to: STDOUT_FILENO)
case ["metrics"]:
    StandardStreams.write(MetricsPage.text, to: STDOUT_FILENO)
case ["cli"]:
    do {
        let dump = try JSONDecoder().decode(CommandTree.self, from: StandardStreams.readAll(STDIN_FILENO))
        StandardStreams.write(CommandPage(dump.command).text, to: STDOUT_FILENO)
    } catch {
        fail("standard input is not what `malla --experimental-dump-help` prints: \(error)")
    }
default:
    fail("say which page: cli, metrics or reasons")
}

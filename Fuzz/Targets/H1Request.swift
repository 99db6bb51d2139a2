// SPDX-License-Identifier: Apache-2.0

/// Requests, content and pipelines from a hostile client: what is forwarded satisfies the strict origin, and how the
/// bytes were cut makes no difference. The first byte decides how they are cut.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzH1Request(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard let start, count > 1 else { return 0 }
    let input = Array(UnsafeBufferPointer(start: start, count: count))
    let bytes = input[1...]
    var whole = TestRelay()
    whole.feed(bytes, closed: false)
    if case .unsafe(let why) = whole.verdict() { fatalError("unsafe: \(why)") }
    var cut = TestRelay()
    var rest = bytes
    while !rest.isEmpty {
        let size = max(1, Int(input[0] & 15) * 3)
        cut.feed(rest.prefix(size), closed: false)
        rest = rest.dropFirst(size)
    }
    precondition(cut.reason == whole.reason, "reasons differ by cutting")
    precondition(cut.complete == whole.complete, "requests differ by cutting")
    precondition(cut.tunnelled == whole.tunnelled, "tunnels differ by cutting")
    return 0
}

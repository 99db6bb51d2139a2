// SPDX-License-Identifier: Apache-2.0
import MallaModel
import Testing

@Suite("Number book")
struct NumberBookTests {
    @Test("a name keeps its number, and a number its name")
    func stable() {
        var book = NumberBook()
        #expect(book.identities.number("a") == 16)
        #expect(book.identities.number("b") == 17)
        #expect(book.identities.number("a") == 16)
        #expect(book.services.number("a") == 1)
        #expect(book.identities.name(17) == "b")
        #expect(book.identities.name(18) == nil)
    }

    @Test("a saved page goes on where it was")
    func saved() {
        var page = NumberBook.Page(first: 1)
        _ = (page.number("a"), page.number("b"))
        var copy = NumberBook.Page(numbers: page.numbers, first: 1)
        #expect(copy == page)
        #expect(copy.number("c") == 3)
    }

    @Test("a damaged page gives no number twice to new names")
    func damaged() {
        var page = NumberBook.Page(numbers: ["a": 5, "b": 5], first: 16)
        #expect(page.name(5) == "a")
        #expect(page.number("c") == 16)
    }
}

@Suite("Names")
struct NameTests {
    @Test("DNS labels", arguments: ["a", "a-b", "0", String(repeating: "x", count: 63)])
    func label(text: String) {
        #expect(ObjectName.isLabel(text))
    }

    @Test("no DNS labels", arguments: ["", "-a", "a-", "A", "a.b", "a_b", "ä", String(repeating: "x", count: 64)])
    func noLabel(text: String) {
        #expect(!ObjectName.isLabel(text))
    }

    @Test("reasons have names, and unknown ones stay readable")
    func reasons() {
        #expect(Reason.policyDenied.name == "policy_denied")
        #expect(Reason(name: "policy_denied") == .policyDenied)
        #expect(Reason(rawValue: 31).name == "reason_31")
        #expect(Reason.all.allSatisfy { Reason(name: $0.name) == $0 && !$0.help.isEmpty })
    }
}

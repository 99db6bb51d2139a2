// SPDX-License-Identifier: Apache-2.0
import MallaModel
import Testing

@Suite("Workloads of a mesh")
struct WorkloadSetTests {
    private static func workload(_ number: Int, weight: UInt32 = 1) -> Workload {
        Workload(name: ObjectName("w\(number)"), match: .run, weight: weight)
    }

    @Test("like a dictionary by name, whatever comes and goes")
    func changes() {
        var (all, model) = (WorkloadSet(), [ObjectName: Workload]())
        for step in 0..<3000 {
            let number = step &* 7919 % 97
            let name = ObjectName("w\(number)")
            let now = step % 3 == 0 ? nil : Self.workload(number, weight: UInt32(step))
            (all[name], model[name]) = (now, now)
            #expect(all.count == model.count && all.isEmpty == model.isEmpty)
        }
        #expect(model.allSatisfy { all[$0.key] == $0.value } && Set(all.keys) == Set(model.keys))
        #expect(Dictionary(all.values.map { ($0.name, $0) }) { $1 } == model)
    }

    @Test("the order in which they came makes no difference; of one name the last is meant")
    func equal() {
        let all = (0..<50).map { Self.workload($0) }
        let (forward, backward) = (WorkloadSet(all), WorkloadSet(all.reversed()))
        #expect(forward == backward && forward.hashValue == backward.hashValue)
        #expect(forward != WorkloadSet(all.dropLast()))
        #expect(WorkloadSet([Self.workload(1), Self.workload(1, weight: 9)]).values.map(\.weight) == [9])
    }

    @Test("parts that are alike are one, and change for one workload only")
    func shared() {
        var parts = SharedParts()
        let all = (0..<2).map { number in
            parts.sharing(
                Workload(
                    name: ObjectName("w\(number)", namespace: "shop"), labels: ["app": "a"], serviceAccount: "one",
                    match: .container("c\(number)"), ports: [.init(port: 80)],
                    addresses: number == 0 ? [.loopback4] : [.loopback4, .loopback6], weight: 3, node: "n"))
        }
        var changed = all[0]
        changed.labels = ["app": "b"]
        changed.name.namespace = "other"
        changed.addresses = []
        #expect(all.map(\.name.description) == ["w0.shop", "w1.shop"] && all.allSatisfy { $0.labels == ["app": "a"] })
        #expect(all[0].addresses == [.loopback4] && all[1].addresses == [.loopback4, .loopback6])
        #expect(changed.name.description == "w0.other" && changed.labels == ["app": "b"] && changed.addresses.isEmpty)
        #expect(changed.serviceAccount == "one" && changed.weight == 3 && changed.node == "n" && changed != all[0])
        let policy = AuthorizationPolicy(name: ObjectName("p"), selector: ["app": "a"], rules: [.init()])
        #expect(parts.sharing(policy) == policy && parts.sharing(all[0]) == all[0])
    }
}

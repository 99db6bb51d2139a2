// SPDX-License-Identifier: Apache-2.0

public import MallaModel

/// What is done with the requests of one rule.
public struct RouteAction: Sendable {
    /// The rule's name, for metrics and logs.
    public let name: String
    /// The client is told to ask elsewhere; no backend is asked.
    public let redirect: RedirectAction?
    /// Another authority or path for the upstream.
    public let rewrite: RewriteAction?
    /// Changes of the request.
    public let requestHeaders: HeaderChanges
    /// Changes of the response.
    public let responseHeaders: HeaderChanges
    /// Where requests can go.
    public let backends: [RouteTarget]
    /// Their shares: places in ``backends``.
    public let shares: AliasTable
    /// Where copies go.
    public let mirrors: [RouteMirror]
    /// For the whole request with all attempts; 0: no limit; `nil`: not said.
    public let requestTimeout: Nanoseconds?
    /// For one attempt; 0: no limit; `nil`: not said.
    public let backendTimeout: Nanoseconds?
    /// `nil`: only what was certainly not begun is tried again.
    public let retry: RouteRetry?
    /// Whether its requests may be wanted again: for a retry, or for copies.
    public let keepsRequests: Bool
    /// Whether it leaves requests and responses as they are and keeps nothing of them.
    public let isPlain: Bool

    init(_ rule: RouteRule) {
        name = rule.name
        let filters = FilterSet(rule.filters)
        redirect = filters.redirect
        rewrite = filters.rewrite
        requestHeaders = filters.requestHeaders
        responseHeaders = filters.responseHeaders
        mirrors = filters.mirrors
        backends = rule.backends.map(RouteTarget.init)
        shares = AliasTable(weights: rule.backends.map(\.weight))
        requestTimeout = rule.requestTimeout
        backendTimeout = rule.backendTimeout
        retry = rule.retry
        keepsRequests = rule.retry != nil || !filters.mirrors.isEmpty
        isPlain = filters.isPlain && !keepsRequests
    }

    /// The place in ``backends`` that two draws choose; `nil` when the rule has no backend with a share, which is
    /// answered by 500.
    public func pick(slot: UInt32, alias: UInt32) -> Int? { shares.pick(slot: slot, alias: alias) }
}

/// A backend of a rule.
public struct RouteTarget: Sendable {
    /// The service. One that is not there answers its share by 500.
    public let service: ObjectName
    /// Its port.
    public let port: UInt16
    /// Changes of the requests that go there, after those of the rule.
    public let requestHeaders: HeaderChanges
    /// Changes of the responses that come from there, before those of the rule.
    public let responseHeaders: HeaderChanges
    /// In place of the rule's own.
    public let rewrite: RewriteAction?
    /// Requests of its share are sent elsewhere.
    public let redirect: RedirectAction?
    /// Whether it leaves requests and responses as they are.
    public let isPlain: Bool

    init(_ backend: RouteBackend) {
        service = backend.service
        port = backend.port
        let filters = FilterSet(backend.filters)
        requestHeaders = filters.requestHeaders
        responseHeaders = filters.responseHeaders
        rewrite = filters.rewrite
        redirect = filters.redirect
        isPlain = filters.isPlain
    }
}

/// Filters, sorted by what they do. Each stands at most once, mirrors aside; resources are checked for that.
private struct FilterSet {
    var redirect: RedirectAction?
    var rewrite: RewriteAction?
    var requestHeaders = HeaderChanges(HeaderModification())
    var responseHeaders = HeaderChanges(HeaderModification())
    var mirrors: [RouteMirror] = []

    /// Whether there is none.
    var isPlain: Bool {
        redirect == nil && rewrite == nil && requestHeaders.isEmpty && responseHeaders.isEmpty && mirrors.isEmpty
    }

    init(_ filters: [RouteFilter]) {
        for filter in filters {
            switch filter {
            case .requestHeaders(let changes): requestHeaders = HeaderChanges(changes)
            case .responseHeaders(let changes): responseHeaders = HeaderChanges(changes)
            case .redirect(let it): redirect = RedirectAction(it)
            case .rewrite(let it): rewrite = RewriteAction(it)
            case .mirror(let it): mirrors.append(it)
            }
        }
    }
}

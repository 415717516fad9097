package refusals

import "strings"

// Class is a kind of reason, for metrics and hints.
type Class string

// The classes.
const (
	AccountMissing  Class = "account_missing"
	AccountRefused  Class = "account_not_allowed"
	ConnectionLimit Class = "connection_limit"
	ConnectionType  Class = "connection_type"
	Clock           Class = "clock"
	Key             Class = "key"
	InvalidJWT      Class = "invalid_jwt"
	Proxy           Class = "proxy"
	Late            Class = "late"
	NotSaid         Class = "not_said"
	Other           Class = "other"
)

// class is what is known about one class. A server gives a reason as text only; a text that
// no release has had is of class Other.
type class struct {
	name Class
	says []string // one of these is in the reason
	hint string
}

// classes returns all classes. The first that fits is the one of a reason.
func classes() []class {
	return []class{
		{AccountMissing, []string{"no valid account "}, "add the account to the servers' configuration, or push its JWT to their resolver; usher check names what each server lacks"},
		{AccountRefused, []string{"not permitted as valid account option", "attempted to use issuer_account"}, "add the account to the allowed accounts of the callout account"},
		{ConnectionLimit, []string{"maximum account active connections", "maximum active connections"}, "raise the limit of connections of the account (limits.max_connections, or its JWT), or close some: usher session list --account"},
		{ConnectionType, []string{"connection type"}, "the scoped signing key or the account does not allow this kind of connection; change its template, or the user's connection_types"},
		{Clock, []string{"claim is expired", "claim is not yet valid", "outside of valid connect times"}, "compare the clocks of server and usher, and user_jwt.max_lifetime with their difference; usher check measures it"},
		{Key, []string{"signing key is unknown", "wrong issuer", "user jwt issuer", "is not the callout account"}, "the servers do not know the key that signed: usher nkey status, and usher check; after a rotation push the account JWT"},
		{Proxy, []string{"proxy"}, "the account or its scoped signing key requires a trusted proxy"},
		{InvalidJWT, []string{"user jwt", "callout response", "invalid permissions", "expected authorized user", "claim"}, "report this as a fault of usher, with this reason and the version of nats-server"},
		{Late, nil, "the server had stopped waiting: usher or the way to it was too slow; look at usher_answer_delay_seconds and authorization.timeout"},
		{NotSaid, nil, "the log of the server has the reason; allow the service user to subscribe to " + Subject},
		{Other, nil, "the log of the server has more"},
	}
}

// classOf returns the class of a reason as a server gives it. An empty one means that the
// server has waited in vain.
func classOf(reason string) class {
	all := classes()
	if reason == "" {
		return named(all, Late)
	}
	text := strings.ToLower(reason)
	for _, c := range all {
		for _, s := range c.says {
			if strings.Contains(text, s) {
				return c
			}
		}
	}
	return named(all, Other)
}

func named(all []class, name Class) class {
	for _, c := range all {
		if c.name == name {
			return c
		}
	}
	return class{name: name}
}

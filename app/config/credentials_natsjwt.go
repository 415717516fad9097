package config

import (
	"fmt"
	"slices"
	"strings"

	"usher/app/config/schema"
)

// NATSJWT configures NATS user JWTs of clients as credentials.
type NATSJWT struct {
	Enabled   bool     `yaml:"enabled" doc:"Accept clients that present a NATS user JWT of their own and sign the server's nonce with its nkey."`
	Name      string   `yaml:"name" default:"nats" rule:"name" doc:"Name of the authority of these identities, for the rules of identities."`
	Accounts  []string `yaml:"accounts" default:"[]" rule:"each=account-key unique" doc:"Public keys of the accounts whose users are accepted. Without operators the account must have signed the user JWT with this key itself. If empty, every account that one of the operators has signed."`
	Operators []string `yaml:"operators" default:"[]" rule:"each=operator-key unique" doc:"Public keys that sign account JWTs: identity keys or signing keys of operators."`
	Dir       string   `yaml:"dir" rule:"path" doc:"Directory of account JWTs, such as that of a nats-server's resolver, or of nsc. They say which signing keys an account has and which users it has revoked. usher reads them again when they change; on an error it keeps the last good ones."`
	Bearer    bool     `yaml:"bearer" doc:"Accept user JWTs that need no signature (bearer). Whoever sees such a JWT can use it. Then sentinels must name the users of all sentinels, because those have such JWTs too."`
	Sentinels []string `yaml:"sentinels" default:"[]" rule:"each=user-nkey unique" doc:"Public nkeys of the users whose JWTs are sentinels. They are never a credential. A sentinel whose JWT is a bearer JWT need not be in the list unless bearer is true."`
}

func natsJWTConstraints() []schema.Constraint {
	const at = "credentials.natsjwt."
	return []schema.Constraint{
		schema.BothOrNeither(at+"operators", at+"dir"),
		needs(at+"enabled", "which say whose user JWTs are accepted", at+"accounts", at+"operators"),
		needs(at+"bearer", "because their JWTs would be accepted otherwise", at+"sentinels"),
	}
}

// needs: if a switch is on, at least one of keys is set, for a reason.
func needs(on, reason string, keys ...string) schema.Constraint {
	check := func(v *schema.Values) []schema.Fault {
		if !v.IsSet(on) || slices.ContainsFunc(keys, v.IsSet) {
			return nil
		}
		return []schema.Fault{{Key: on, Message: "needs " + strings.Join(keys, " or ") + ", " + reason, Hint: "set " + keys[0]}}
	}
	text := fmt.Sprintf("If `%s` is true, set `%s`, %s.", on, strings.Join(keys, "` or `"), reason)
	return schema.Constraint{Keys: append([]string{on}, keys...), Text: text, Check: check}
}

package config

import (
	"fmt"
	"slices"

	"usher/app/config/schema"
	"usher/directory"
)

// ingestByTemplate: what the role ingest includes is not said here and by a template too.
// Somebody would believe that supervisors have fewer subjects than the template gives.
func ingestByTemplate() schema.Constraint {
	const streaming, account, scopes = "accounts.ingest_streaming", "accounts.ingest", "accounts.scopes"
	check := func(v *schema.Values) []schema.Fault {
		cfg, ok := v.Root().(*Config)
		if !ok || v.IsSet(streaming) {
			return nil
		}
		scope := cfg.Accounts.Ingest + "/" + string(directory.ServiceRoleIngest)
		if !slices.Contains(cfg.Accounts.Scopes, scope) {
			return nil
		}
		return []schema.Fault{{
			Key: streaming, Message: fmt.Sprintf("is false, but %s has %s", scopes, scope),
			Hint: "the template of the scoped signing key says what the role may do: leave the subjects out there, and leave this out",
		}}
	}
	text := fmt.Sprintf("`%s` is true if `%s` has the role ingest of `%s`: then a template says what the role includes.", streaming, scopes, account)
	return schema.Constraint{Keys: []string{streaming, account, scopes}, Text: text, Check: check}
}

package config

import (
	"fmt"
	"strings"

	"usher/internal/secret"
)

// relation is something that several keys must be together.
type relation struct {
	keys  []string
	text  string
	check func(c *checker) []fault
}

// relations is the table of all of them.
func relations() []relation {
	const noClients = "no client is ever placed in the account that auth_callout names; give it an account of its own"
	const embedded = "leave it out: the embedded server makes the bucket, in files; or set directory.from: kv"
	const noBucket = "set directory.from: kv, or leave it out"
	return []relation{
		alternatives([]string{"nats.user", "nats.password_file"}, []string{"nats.nkey_file"}, []string{"nats.creds_file"}),
		together("nats.user", "nats.password_file"),
		alternatives([]string{"nats.system_user", "nats.system_password_file"}, []string{"nats.system_nkey_file"}),
		together("nats.system_user", "nats.system_password_file"),
		together("nats.tls.cert_file", "nats.tls.key_file"),
		notCallout("accounts.system", "auth_callout cannot live in the system account"),
		notCallout("accounts.ingest", noClients),
		notCallout("accounts.service_admin", noClients),
		notCallout("accounts.healthcheck", noClients),
		together("accounts.healthcheck", "healthcheck.token_file"),
		onlyWith("audit.file", "audit.to", "file"),
		onlyWith("directory.file", "directory.from", DirectoryFile),
		onlyWith("directory.store_dir", "directory.from", DirectoryEmbedded),
		notFrom("directory.bucket", DirectoryFile, noBucket),
		notFrom("directory.create_bucket", DirectoryFile, noBucket),
		notFrom("directory.replicas", DirectoryFile, noBucket),
		notFrom("directory.replicas", DirectoryEmbedded, "it is one server; set directory.from: kv for a bucket in a cluster"),
		notFrom("directory.create_bucket", DirectoryEmbedded, embedded),
		notFrom("directory.storage", DirectoryFile, noBucket),
		notFrom("directory.storage", DirectoryEmbedded, embedded),
		notFrom("directory.max_bytes", DirectoryFile, noBucket),
		notFrom("directory.max_project_bytes", DirectoryFile, noBucket),
		notMore("directory.max_project_bytes", "directory.max_bytes"),
		notFrom("directory.snapshot_file", DirectoryFile, "leave it out: a file is there when usher starts"),
		notFrom("api.listen", DirectoryFile, "a file is edited; usher directory import moves it into a bucket"),
		together("api.tls.cert_file", "api.tls.key_file"),
		notInClear("api.listen", "api.tls.cert_file", "api.allow_cleartext"),
		onlyIn(ModeConfig, "nats.system_user"),
		onlyIn(ModeConfig, "nats.system_nkey_file"),
		operatorOnly("nats.sentinel_creds_file"),
		operatorOnly("accounts.scopes"),
		operatorOnly("operator.dir"),
		operatorOnly("operator.signing_key_file"),
		operatorOnly("operator.signing_command"),
		alternatives([]string{"operator.signing_key_file"}, []string{"operator.signing_command", "operator.signing_public_key"}),
		together("operator.signing_command", "operator.signing_public_key"),
		operatorOnly("operator.create_accounts"),
		createAccounts(),
		templateLimits(),
		operatorOnly("operator.system_creds_file"),
	}
}

// alternatives: of several ways, each of some keys, at most one is taken.
func alternatives(ways ...[]string) relation {
	var keys, names, plain []string
	for _, way := range ways {
		keys = append(keys, way...)
		names = append(names, "`"+strings.Join(way, "` with `")+"`")
		plain = append(plain, strings.Join(way, " with "))
	}
	check := func(c *checker) []fault {
		var first string
		var faults []fault
		for _, way := range ways {
			for _, key := range way {
				if !c.set(key) {
					continue
				}
				if first == "" {
					first = key
				} else {
					faults = append(faults, fault{key, "cannot stand beside " + first, "keep one of: " + strings.Join(plain, "; ")})
				}
				break
			}
		}
		return faults
	}
	return relation{keys, "At most one of these is set: " + strings.Join(names, "; ") + ".", check}
}

// together: both keys are set, or none.
func together(a, b string) relation {
	check := func(c *checker) []fault {
		there, absent := a, b
		switch {
		case c.set(a) == c.set(b):
			return nil
		case c.set(b):
			there, absent = b, a
		}
		return []fault{{there, "needs " + absent, "set both or none of them"}}
	}
	return relation{[]string{a, b}, fmt.Sprintf("`%s` and `%s` are set both or not at all.", a, b), check}
}

// notCallout: the key does not name the callout account.
func notCallout(key, hint string) relation {
	const callout = "accounts.callout"
	check := func(c *checker) []fault {
		if c.text(key) != c.text(callout) {
			return nil
		}
		return []fault{{key, "is the same account as " + callout + " (" + secret.Name(c.text(key)) + ")", hint}}
	}
	return relation{[]string{callout, key}, fmt.Sprintf("`%s` and `%s` are not the same account.", callout, key), check}
}

// onlyWith: key is set if, and only if, the choice is value. Where the choice is
// one by default, it is the key that is missing.
func onlyWith(key, choice, value string) relation {
	check := func(c *checker) []fault {
		switch chosen := c.text(choice); {
		case chosen == value && !c.set(key) && c.src.Has(key):
			return []fault{{key, "must not be empty", ""}}
		case chosen == value && !c.set(key) && !c.src.Has(choice):
			return []fault{{key, "is missing", c.row(key).hint}}
		case chosen == value && !c.set(key):
			return []fault{{choice, "needs " + key, fmt.Sprintf("set %s, or choose another value", key)}}
		case chosen != value && c.set(key):
			return []fault{{
				key, fmt.Sprintf("is set, but %s is %s", choice, secret.Quote(chosen)),
				fmt.Sprintf("set %s: %s, or leave %s out", choice, value, key),
			}}
		}
		return nil
	}
	return relation{[]string{key, choice}, fmt.Sprintf("`%s` is set if, and only if, `%s` is `%s`.", key, choice, value), check}
}

// operatorOnly: key is set only in operator mode.
func operatorOnly(key string) relation { return onlyIn(ModeOperator, key) }

// onlyIn: key is set only in one mode.
func onlyIn(value, key string) relation {
	const choice = "nats.mode"
	check := func(c *checker) []fault {
		if !c.set(key) || c.text(choice) == value {
			return nil
		}
		return []fault{{
			key, fmt.Sprintf("is set, but %s is %s", choice, secret.Quote(c.text(choice))),
			fmt.Sprintf("set %s: %s, or leave %s out", choice, value, key),
		}}
	}
	return relation{[]string{key, choice}, fmt.Sprintf("`%s` is set only if `%s` is `%s`.", key, choice, value), check}
}

// notFrom: key has its default if that is where the directory is from.
func notFrom(key, value, hint string) relation {
	const choice = "directory.from"
	check := func(c *checker) []fault {
		if c.unchanged(key) || c.text(choice) != value {
			return nil
		}
		return []fault{{key, fmt.Sprintf("is set, but %s is %s", choice, secret.Quote(value)), hint}}
	}
	return relation{[]string{key, choice}, fmt.Sprintf("`%s` is not set if `%s` is `%s`.", key, choice, value), check}
}

// notMore: one size is part of another.
func notMore(part, whole string) relation {
	check := func(c *checker) []fault {
		if c.value(part).Int() <= c.value(whole).Int() {
			return nil
		}
		return []fault{{part, fmt.Sprintf("is %d, more than %s, which is %d", c.value(part).Int(), whole, c.value(whole).Int()), "lower the one or raise the other"}}
	}
	return relation{[]string{part, whole}, fmt.Sprintf("`%s` is at most `%s`.", part, whole), check}
}

// notInClear: others than this machine reach the listener over TLS, unless it is
// allowed that they need none.
func notInClear(listener, cert, allowed string) relation {
	check := func(c *checker) []fault {
		address := c.text(listener)
		if address == "" || isLoopback(address) || c.set(cert) || c.set(allowed) {
			return nil
		}
		return []fault{{
			listener, secret.Name(address) + " can be reached from elsewhere, and keys would travel in the clear",
			"set api.tls, or listen on 127.0.0.1; " + allowed + ": true if something else ends TLS",
		}}
	}
	text := fmt.Sprintf("`%s` is an address of loopback, or `%s` is set, or `%s` is `true`.", listener, cert, allowed)
	return relation{[]string{listener, cert, allowed}, text, check}
}

// createAccounts holds that the service has all it takes to make accounts.
func createAccounts() relation {
	const key, file, command = "operator.create_accounts", "operator.signing_key_file", "operator.signing_command"
	needs := []string{"operator.dir", "operator.system_creds_file", "api.listen"}
	check := func(c *checker) []fault {
		if !c.set(key) {
			return nil
		}
		var faults []fault
		for _, need := range needs {
			if !c.set(need) {
				faults = append(faults, fault{key, "needs " + need, "set it, or leave " + key + " out"})
			}
		}
		if !c.set(file) && !c.set(command) {
			faults = append(faults, fault{key, "needs " + command + " or " + file, "a program can refuse what is none of its business, a key in a file cannot"})
		}
		return faults
	}
	text := fmt.Sprintf("With `%s`, `%s` are set, and one of `%s` and `%s`.", key, strings.Join(needs, "`, `"), command, file)
	return relation{append([]string{key, file, command}, needs...), text, check}
}

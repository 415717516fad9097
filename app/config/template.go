package config

import (
	"errors"
	"fmt"
	"reflect"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"usher/app/config/rule"
	"usher/app/config/schema"
	"usher/internal/secret"
)

// Claims returns the account claims of a new project. name is the account's name and
// public its public key. account returns the public key of an account that an import
// names.
func (t *AccountTemplate) Claims(name, public string, account func(name string) (public string, ok bool)) (*jwt.AccountClaims, error) {
	c := jwt.NewAccountClaims(public)
	c.Name = name
	c.Limits.AccountLimits = jwt.AccountLimits{
		Conn: int64(t.Limits.Connections), LeafNodeConn: int64(t.Limits.LeafNodes),
		Imports: int64(t.Limits.Imports), Exports: int64(t.Limits.Exports), WildcardExports: t.Limits.WildcardExports,
	}
	c.Limits.NatsLimits = jwt.NatsLimits{Subs: int64(t.Limits.Subscriptions), Data: jwt.NoLimit, Payload: int64(t.Limits.Payload)}
	if t.JetStream.MemoryStorage != 0 || t.JetStream.DiskStorage != 0 {
		c.Limits.JetStreamLimits = jwt.JetStreamLimits{
			MemoryStorage: int64(t.JetStream.MemoryStorage), DiskStorage: int64(t.JetStream.DiskStorage),
			Streams: int64(t.JetStream.Streams), Consumer: int64(t.JetStream.Consumers),
			MaxAckPending: int64(t.JetStream.MaxAckPending), MaxBytesRequired: t.JetStream.MaxBytesRequired,
		}
	}
	for i := range t.Imports {
		from := t.Imports[i].Account
		if !nkeys.IsValidPublicAccountKey(from) {
			key, ok := account(from)
			if !ok {
				return nil, fmt.Errorf("operator.account_template.imports[%d].account: the keyring has no account %s", i, secret.Name(from))
			}
			from = key
		}
		c.Imports.Add(t.Imports[i].claims(from))
	}
	for i := range t.Exports {
		c.Exports.Add(t.Exports[i].claims())
	}
	return c, nil
}

func (i *AccountImport) claims(from string) *jwt.Import {
	return &jwt.Import{Name: i.Name, Account: from, Subject: jwt.Subject(i.Subject), LocalSubject: jwt.RenamingSubject(i.LocalSubject), Type: exportType(i.Type)}
}

func (e *AccountExport) claims() *jwt.Export {
	out := &jwt.Export{Name: e.Name, Subject: jwt.Subject(e.Subject), Type: exportType(e.Type), TokenReq: e.TokenRequired}
	if out.Type == jwt.Service {
		out.ResponseType = jwt.ResponseTypeSingleton
	}
	return out
}

// The values of type.
const (
	typeStream  = "stream"
	typeService = "service"
)

func exportType(text string) jwt.ExportType {
	switch text {
	case typeStream:
		return jwt.Stream
	case typeService:
		return jwt.Service
	default:
		return jwt.Unknown
	}
}

// placeholderAccount returns a valid public key (of 32 zero bytes), for an account
// whose public key is not known yet.
func placeholderAccount() string {
	public, err := nkeys.Encode(nkeys.PrefixByteAccount, make([]byte, 32))
	if err != nil {
		return ""
	}
	return string(public)
}

// imports checks the imports of the template, one by one and together.
func imports(v reflect.Value, _ string) []rule.Fault {
	var faults []rule.Fault
	var all jwt.Imports
	for i := range v.Len() {
		at := fmt.Sprintf("[%d]", i)
		in, ok := v.Index(i).Interface().(AccountImport)
		if !ok {
			continue
		}
		claims := in.claims(placeholderAccount())
		faults = append(faults, validationFaults(at, func(vr *jwt.ValidationResults) { claims.Validate("", vr) })...)
		if nkeys.IsValidPublicAccountKey(in.Account) {
			claims.Account = in.Account
		}
		all = append(all, claims)
	}
	if len(faults) > 0 {
		return faults
	}
	return validationFaults("", func(vr *jwt.ValidationResults) { all.Validate("", vr) })
}

// exports checks the exports of the template, one by one and together.
func exports(v reflect.Value, _ string) []rule.Fault {
	var faults []rule.Fault
	var all jwt.Exports
	for i := range v.Len() {
		at := fmt.Sprintf("[%d]", i)
		in, ok := v.Index(i).Interface().(AccountExport)
		if !ok {
			continue
		}
		claims := in.claims()
		faults = append(faults, validationFaults(at, claims.Validate)...)
		all = append(all, claims)
	}
	if len(faults) > 0 {
		return faults
	}
	return validationFaults("", all.Validate)
}

// validationFaults returns the first error of jwt/v2, which nats-server validates with.
func validationFaults(at string, validate func(*jwt.ValidationResults)) []rule.Fault {
	vr := jwt.CreateValidationResults()
	validate(vr)
	if errs := vr.Errors(); len(errs) > 0 {
		return []rule.Fault{{At: at, Message: secret.Redact(errs[0].Error()), Hint: "write it as in an account JWT"}}
	}
	return nil
}

// templateLimits: the limits of the template allow its imports and exports.
func templateLimits() schema.Constraint {
	const at = "operator.account_template."
	keys := []string{at + "limits.imports", at + "limits.exports", at + "limits.wildcard_exports", at + "imports", at + "exports"}
	check := func(v *schema.Values) []schema.Fault {
		cfg, ok := v.Root().(*Config)
		if !ok {
			return nil
		}
		t := &cfg.Operator.AccountTemplate
		claims, err := t.Claims("project", placeholderAccount(), func(string) (string, bool) { return placeholderAccount(), true })
		if err != nil {
			return []schema.Fault{{Key: at + "imports", Message: err.Error()}}
		}
		vr := jwt.CreateValidationResults()
		claims.Validate(vr)
		if err := errors.Join(vr.Errors()...); err != nil {
			return []schema.Fault{{Key: at + "limits", Message: secret.Redact(vr.Errors()[0].Error()), Hint: "raise the limit, or remove imports or exports"}}
		}
		return nil
	}
	text := "The limits `" + at + "limits.imports`, `" + at + "limits.exports` and `" + at + "limits.wildcard_exports` allow what is in `" +
		at + "imports` and `" + at + "exports`."
	return schema.Constraint{Keys: keys, Text: text, Check: check}
}

package permissions

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrInvariant: the grant violates an invariant. It is never issued. The cause is an
// error in the directory or the configuration, so this is not a denial.
var ErrInvariant = errors.New("grant violates an invariant")

// Validate checks the invariants that need no clock (docs/reference/permissions.md). Derive calls
// it, and the issuer calls it again.
func (p *Policy) Validate(g *Grant) error {
	switch {
	case g.Account == "":
		return fmt.Errorf("%w: no account", ErrInvariant)
	case g.Account == p.CalloutAccount:
		return fmt.Errorf("%w: %q is the callout account, which carries every credential", ErrInvariant, g.Account)
	case g.Account == p.SystemAccount && !p.mayUseSystem(g):
		return fmt.Errorf("%w: %q is the system account, and the configuration gives it to no role of this grant", ErrInvariant, g.Account)
	}
	if err := g.validateConnection(); err != nil {
		return err
	}
	if g.Scope != "" {
		return validateScoped(g)
	}
	for _, side := range Sides() {
		if err := validateSide(g, side); err != nil {
			return err
		}
	}
	return nil
}

// mayUseSystem reports whether the configuration gives the system account to the role
// of g.
func (p *Policy) mayUseSystem(g *Grant) bool {
	accounts := map[string]string{
		"role:service_admin":         p.AdminAccount,
		tagRole + profileIngest:      p.IngestAccount,
		tagRole + profileHealthCheck: p.HealthCheckAccount,
	}
	if slices.ContainsFunc(g.Tags, func(t string) bool { return strings.HasPrefix(t, tagProject) }) {
		return false
	}
	return slices.ContainsFunc(g.Tags, func(t string) bool { return accounts[t] == p.SystemAccount })
}

func validateSide(g *Grant, side Side) error {
	allowed, denied := 0, 0
	for i := range g.Rules {
		r := &g.Rules[i]
		if r.Side != side {
			continue
		}
		if !ValidSubject(r.Subject) {
			return fmt.Errorf("%w: %s %q is not a subject", ErrInvariant, side, r.Subject)
		}
		switch r.Effect {
		case Deny:
			denied++
		case Allow:
			allowed++
			if Overlaps(reach(side, r.Subject), authSubject) && !g.denies(side, authSubject) {
				return fmt.Errorf("%w: %s %q reaches %s", ErrInvariant, side, r.Subject, authSubject)
			}
			if hasOpenTail(side, r.Subject) {
				return fmt.Errorf("%w: %s %q has no exact number of tokens below $JS", ErrInvariant, side, r.Subject)
			}
		default:
			return fmt.Errorf("%w: effect %q", ErrInvariant, r.Effect)
		}
	}
	if allowed > 0 {
		return nil
	}
	if denied == 0 || !g.denies(side, ">") {
		return fmt.Errorf("%w: the %s side has no rule", ErrInvariant, side)
	}
	return nil
}

// hasOpenTail reports whether an allowance reaches subjects below $JS of any number of
// tokens. JetStream distinguishes the formats of a subject by their number of tokens, so
// an open tail would match formats that it was not meant for. Only ">", the whole
// account, may have one.
func hasOpenTail(side Side, subject string) bool {
	reached := reach(side, subject)
	return strings.HasSuffix(reached, ".>") && Overlaps(reached, "$JS.>")
}

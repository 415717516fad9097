package permissions

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrInvariant: a grant breaks a rule that holds for every grant. It is never
// issued, and it is a fault of directory or configuration, not a denial.
var ErrInvariant = errors.New("grant breaks an invariant")

// Validate checks the invariants that need no clock (docs/reference/permissions.md). It is
// called where grants are derived and again where they are issued.
func (p *Policy) Validate(g *Grant) error {
	switch {
	case g.Account == "":
		return fmt.Errorf("%w: no account", ErrInvariant)
	case g.Account == p.CalloutAccount:
		return fmt.Errorf("%w: %q is the callout account, where every credential passes by", ErrInvariant, g.Account)
	case g.Account == p.SystemAccount && !p.bindsSystem(g):
		return fmt.Errorf("%w: %q is the system account, and no role of this grant is bound to it", ErrInvariant, g.Account)
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

// bindsSystem reports whether configuration bound the role of g to the system account.
func (p *Policy) bindsSystem(g *Grant) bool {
	bound := map[string]string{
		"role:service_admin":         p.AdminAccount,
		"role:" + profileIngest:      p.IngestAccount,
		"role:" + profileHealthCheck: p.HealthCheckAccount,
	}
	if slices.ContainsFunc(g.Tags, func(t string) bool { return strings.HasPrefix(t, "project:") }) {
		return false
	}
	return slices.ContainsFunc(g.Tags, func(t string) bool { return bound[t] == p.SystemAccount })
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
			if openTail(side, r.Subject) {
				return fmt.Errorf("%w: %s %q has an open tail below $JS", ErrInvariant, side, r.Subject)
			}
		default:
			return fmt.Errorf("%w: effect %q", ErrInvariant, r.Effect)
		}
	}
	if allowed > 0 {
		return nil
	}
	if denied == 0 || !g.denies(side, ">") {
		return fmt.Errorf("%w: the %s side is not stated", ErrInvariant, side)
	}
	return nil
}

// openTail reports whether an allowance reaches subjects below $JS without saying
// how many tokens they have. JetStream tells the forms of a subject apart by their
// number, so an open tail takes in forms that were not meant. Only ">", the whole
// account, may.
func openTail(side Side, subject string) bool {
	reached := reach(side, subject)
	return strings.HasSuffix(reached, ".>") && Overlaps(reached, "$JS.>")
}

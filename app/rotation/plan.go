package rotation

import (
	"context"
	"fmt"

	"github.com/nats-io/jwt/v2"

	"usher/issuer"
	"usher/issuer/keyring"
	"usher/issuer/operator"
)

// Plan lists the steps that a rotation would take.
type Plan struct {
	Steps []PlanStep `json:"steps"`
}

// PlanStep is one step of a plan.
type PlanStep struct {
	Step keyring.Step `json:"step"`
	Text string       `json:"text"`
	Diff []string     `json:"diff,omitempty"` // of the decoded account JWT, or of nats-server.conf
}

// newKeyName is the placeholder for a key that is not created yet.
const newKeyName = "(new key)"

// Plan returns what Rotate would do, and changes nothing.
func (r *Rotator) Plan(ctx context.Context, t Target) (*Plan, error) {
	s, err := keyring.ReadState(r.Dir, r.Config)
	if err != nil {
		return nil, err
	}
	if s.Rotation != nil {
		return nil, InProgress(s.Rotation)
	}
	old, err := ActiveKey(s, t)
	if err != nil {
		return nil, err
	}
	x := &keyring.Rotation{Kind: t.Kind, Account: t.Place.Account, Scope: t.Place.Scope, Old: old.PublicKey, New: newKeyName}
	if next := nextOf(s, t); next != nil {
		x.New = next.PublicKey
	}
	plan := &Plan{}
	add := func(step keyring.Step, diff []string, format string, args ...any) {
		plan.Steps = append(plan.Steps, PlanStep{step, fmt.Sprintf(format, args...), diff})
	}
	add(keyring.StepAdd, nil, "add: add the %s %s to %s, beside %s, and wait until every running usher has loaded it", t, x.New, r.Dir, x.Old)
	if r.Operator == nil {
		add(keyring.StepAnnounce, Lines(x.Kind, x.Old, x.New), "announce: you change these lines")
		add(keyring.StepSwitch, nil, "switch: wait until every server has been restarted and expects %s; usher serves both keys until then", x.New)
		add(keyring.StepRetire, nil, "retire: once no server has asked for %s for %s, move its seed away", x.Old, r.idlePeriod())
		return plan, nil
	}
	a, err := r.accountOf(s, x)
	if err != nil {
		return nil, err
	}
	now, servers, err := r.accountJWT(ctx, a)
	if err != nil {
		return nil, err
	}
	announced, diff, err := changed(now.claims, addition(x.Kind, x.Scope, x.Old, x.New))
	if err != nil {
		return nil, err
	}
	add(keyring.StepAnnounce, diff, "announce: change the JWT of %s, sign it, push it, and wait for %s", a.Name, operator.Names(servers))
	add(keyring.StepSwitch, nil, "switch: every running usher uses %s", x.New)
	diff = nil
	if x.Kind == issuer.KindSigning {
		if _, diff, err = changed(announced, func(c *jwt.AccountClaims) error { operator.RemoveSigningKey(c, x.Old); return nil }); err != nil {
			return nil, err
		}
	}
	retire := "retire: once nothing depends on %s, move its seed away"
	if diff != nil {
		retire = "retire: once nothing depends on %s, remove it from the JWT and move its seed away"
	}
	add(keyring.StepRetire, diff, retire, x.Old)
	return plan, nil
}

// changed returns a changed copy of the claims, and the differences.
func changed(c *jwt.AccountClaims, change edit) (*jwt.AccountClaims, []string, error) {
	next, err := operator.Clone(c)
	if err != nil {
		return nil, nil, err
	}
	if err := change(next); err != nil {
		return nil, nil, err
	}
	diff, err := operator.Diff(c, next)
	return next, diff, err
}

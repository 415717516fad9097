package accounts_test

import (
	"errors"
	"slices"
	"testing"

	"usher/app/accounts"
	"usher/callout/callouttest"
	"usher/issuer/operator"
)

// Attack: a caller that has lost service_admin gets accounts created by a call that waited or is in progress
// Held by: a call checks the caller's rights when it has locked the keyring, and before it signs each JWT
func TestMay(t *testing.T) {
	t.Parallel()
	s := newSite(t, callouttest.OperatorConfig{})
	no := errors.New("no longer")
	before := s.files(t)
	s.m.May = func() error { return no }
	if _, err := s.m.Open(t.Context(), []string{"shop"}); !errors.Is(err, no) {
		t.Errorf("open: %v", err)
	}
	if after := s.files(t); !slices.Equal(before, after) {
		t.Errorf("files\nbefore %q\nafter %q", before, after)
	}
	// May refuses at its second call, then at its third, and so on. Nothing happens after
	// the refusal, and the next call of Open continues.
	signed := func() bool {
		_, _, err := operator.Dir(s.JWTDir).Account("shop")
		return err == nil
	}
	allowed := func() bool {
		a, _ := s.account(t, "shop")
		return a.PublicKey != "" && operator.Allows(s.inForce(t, s.Accounts[callouttest.CalloutAccount]), a.PublicKey)
	}
	active := func() bool { _, key := s.account(t, "shop"); return key.PublicKey != "" }
	refusals := 0
	for last := 2; last < 10; last++ {
		calls := 0
		wasSigned := signed()
		s.m.May = func() error {
			if calls++; calls >= last {
				return no
			}
			return nil
		}
		_, err := s.m.Open(t.Context(), []string{"shop"})
		if err == nil {
			break
		}
		refusals++
		if !errors.Is(err, no) || active() || last == 2 && signed() || !wasSigned && allowed() {
			t.Errorf("refused at call %d: %v; signed %t, allowed %t, active %t", last, err, signed(), allowed(), active())
		}
	}
	if refusals < 3 || !active() || !allowed() {
		t.Errorf("%d refusals, active %t", refusals, active())
	}
	if made := accounts.Made(s.state(t)); len(made) != 1 || made["shop"] {
		t.Errorf("made %v", made)
	}

	_, key := s.account(t, "shop")
	s.m.May = func() error { return no }
	if _, err := s.m.Close(t.Context(), "shop", accounts.CloseOptions{}); !errors.Is(err, no) {
		t.Errorf("close: %v", err)
	}
	if _, after := s.account(t, "shop"); after.State != key.State || after.PublicKey != key.PublicKey {
		t.Errorf("after a refusal: %+v", after)
	}
	s.m.May = nil
	ctx := interrupt(t, s.m, accounts.StepRefuse)
	if _, err := s.m.Close(ctx, "shop", accounts.CloseOptions{}); err == nil || !accounts.Made(s.state(t))["shop"] {
		t.Errorf("interrupted: %v; made %v", err, accounts.Made(s.state(t)))
	}
}

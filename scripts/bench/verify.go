package main

import (
	"context"
	"errors"
	"maps"
)

// signedKind is a kind of credential that is verified with a signature alone, once the keys
// of its authority are known.
type signedKind struct {
	program
	rows []benchRow
}

// signedKinds are the kinds, with the metrics of BenchmarkVerify of their packages.
func signedKinds() []signedKind {
	kind := func(id, what, benchmark string) benchRow {
		return benchRow{
			row{"verify-" + id, "verify " + what + ", to the signature alone", atMost(1.3), "×"},
			metric{benchmark, "ratio", 1},
		}
	}
	return []signedKind{
		{oidcTest, []benchRow{
			kind("rs256", "a JWT with RS256", "BenchmarkVerify/RS256"),
			kind("es256", "a JWT with ES256", "BenchmarkVerify/ES256"),
			kind("eddsa", "a JWT with EdDSA", "BenchmarkVerify/EdDSA"),
		}},
		{nkeyTest, []benchRow{kind("nkey", "an nkey", "BenchmarkVerify")}},
		{natsJWTTest, []benchRow{kind("natsjwt", "a NATS user JWT", "BenchmarkVerify")}},
	}
}

func verifyStep() step {
	s := step{part: "verify", name: "verify credentials", run: measureVerify}
	for _, k := range signedKinds() {
		s.needs, s.rows = append(s.needs, k.program), append(s.rows, rowsOf(k.rows)...)
	}
	return s
}

func measureVerify(ctx context.Context, r *runner) (figures, error) {
	all := figures{}
	var errs []error
	for _, k := range signedKinds() {
		found, err := r.measureTable(ctx, k.program, "^BenchmarkVerify$", k.rows)
		maps.Copy(all, found)
		errs = append(errs, err)
	}
	return all, errors.Join(errs...)
}

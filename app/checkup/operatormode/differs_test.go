package operatormode

import (
	"strings"
	"testing"

	"usher/app/checkup/finding"
	"usher/app/config"
	"usher/callout/callouttest"

	"github.com/nats-io/jwt/v2"
)

// TestCheckOperatorDiffers: check reports servers that use different JWTs of an account.
func TestCheckOperatorDiffers(t *testing.T) {
	t.Parallel()
	o := callouttest.NewOperator(t, callouttest.OperatorConfig{})
	c := o.ReadAccount(t, "APP")
	first := o.WriteAccount(t, "APP", c)
	c.Tags.Add("second")
	second := o.WriteAccount(t, "APP", c)
	var all []jwtVersion
	for source, text := range map[string]string{"n1": first, "n2": second} {
		claims, err := jwt.DecodeAccountClaims(text)
		callouttest.Must(t, err)
		all = append(all, jwtVersion{source: source, text: text, claims: claims})
	}
	var f finding.List
	all = append(all, all[0], jwtVersion{source: "the resolver", text: all[0].text, claims: all[0].claims})
	check := &Checker{List: &f, Cfg: &config.Config{}}
	check.compareVersions(&accountCheck{name: "APP", public: o.Accounts["APP"]}, all, nil, false)
	if len(f) != 1 || f[0].Check != "resolver" || f[0].Severity != finding.Error || !strings.HasPrefix(f[0].Detail, "servers differ: the JWT of APP of ") || !strings.Contains(f[0].Hint, "usher nkey push APP") ||
		strings.Count(f[0].Detail, "the JWT of APP") != 2 || !strings.Contains(f[0].Detail, "("+all[0].source+", the resolver)") {
		t.Errorf("%+v", f)
	}
}

package rule

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"usher/directory"
	"usher/internal/secret"
	"usher/internal/strictyaml"
	"usher/issuer"
)

// Fault describes what is wrong with a value.
type Fault struct {
	At      string // the rest of the path after the key, such as "[2]"; or empty
	Message string
	Hint    string
}

// Rule is a condition on the value of one key. Its text and its check are defined
// together, so that the documentation says what is checked.
type Rule struct {
	Name  string
	Text  func(arg string) string
	Check func(v reflect.Value, arg string) []Fault
}

// Table is a table of rules.
type Table []Rule

// Ref is a reference to a rule in a tag, such as "between=1..64".
type Ref struct{ Name, Arg string }

// ParseRef parses a reference.
func ParseRef(tag string) Ref {
	name, arg, _ := strings.Cut(tag, "=")
	return Ref{Name: name, Arg: arg}
}

func (t Table) find(r Ref) (Rule, bool) {
	for _, candidate := range t {
		if candidate.Name == r.Name {
			return candidate, true
		}
	}
	return Rule{}, false
}

// Text returns the text of a rule, or an empty string if there is no such rule.
func (t Table) Text(r Ref) string {
	if found, ok := t.find(r); ok {
		return found.Text(r.Arg)
	}
	return ""
}

// Check checks a value with a rule.
func (t Table) Check(r Ref, v reflect.Value) []Fault {
	if found, ok := t.find(r); ok {
		return found.Check(v, r.Arg)
	}
	return []Fault{{Message: "unknown rule " + strconv.Quote(r.Name)}} // a test ensures that every rule exists
}

// Rules returns the rules that know nothing of the configuration. An empty string is an unset value: every rule for
// strings accepts it, except bucket. Every rule for a name, a path or an address
// refuses a value that looks like a secret. Load accepts it as a path if such files exist.
func Rules() Table {
	return Table{
		{"between", func(arg string) string { return "from " + strings.Replace(arg, "..", " to ", 1) }, between},
		{"fraction", Fixed("from 0 to 1"), func(v reflect.Value, _ string) []Fault {
			return faultIf(v.Float() < 0 || v.Float() > 1, fmt.Sprintf("must be from 0 to 1, is %v", v), "")
		}},
		{"positive", Fixed("more than 0"), func(v reflect.Value, _ string) []Fault {
			return faultIf(v.Int() <= 0, fmt.Sprintf("must be more than 0, is %v", v), "")
		}},
		{"not-negative", Fixed("0 or more"), func(v reflect.Value, _ string) []Fault {
			return faultIf(v.Int() < 0, fmt.Sprintf("must be 0 or more, is %v", v), "")
		}},
		{"at-most", func(arg string) string { return "at most " + arg }, func(v reflect.Value, arg string) []Fault {
			return faultIf(v.Int() > ruleDuration(arg), fmt.Sprintf("must be at most %s, is %v", arg, v), "")
		}},
		{"at-least", func(arg string) string { return "at least " + arg }, func(v reflect.Value, arg string) []Fault {
			return faultIf(v.Int() < ruleDuration(arg), fmt.Sprintf("must be at least %s, is %v", arg, v), "")
		}},
		{"zero-or-at-least", func(arg string) string { return "0, or at least " + arg }, func(v reflect.Value, arg string) []Fault {
			return faultIf(v.Int() != 0 && v.Int() < ruleDuration(arg), fmt.Sprintf("must be 0, or at least %s, is %v", arg, v), "")
		}},
		{"one-of", func(arg string) string { return "one of `" + strings.ReplaceAll(arg, "|", "`, `") + "`" }, oneOf},
		{"no-limit-or-more", Fixed("-1 (no limit) or more"), func(v reflect.Value, _ string) []Fault {
			return faultIf(v.Int() < -1, fmt.Sprintf("must be -1 (no limit) or more, is %d", v.Int()), "")
		}},
		{"account-connections", Fixed("-1 (no limit), or more than 0"), func(v reflect.Value, _ string) []Fault {
			return faultIf(v.Int() < -1 || v.Int() == 0, fmt.Sprintf("must be -1 (no limit), or more than 0, is %d", v.Int()), "an account without connections is closed")
		}},
		{"program", Fixed("a program, as an absolute path or a bare name, and its arguments"), program},
		{"operator-key", Fixed("the public key of an operator or of its signing key (O…)"), onString(checkOperatorKey)},
		{"account-key", Fixed("the public key of an account (A…)"), onString(checkAccountKey)},
		{"user-nkey", Fixed("the public nkey of a user (U…)"), onString(checkUserNKey)},
		{"network", Fixed("a network such as `10.0.0.0/8`"), onString(checkNetwork)},
		{"nonempty", Fixed("not empty"), func(v reflect.Value, _ string) []Fault {
			return faultIf(v.Len() == 0, "must not be empty", "")
		}},
		{"each", func(arg string) string { return "each entry: " + Rules().Text(ParseRef(arg)) }, each},
		{"unique", Fixed("no entry twice"), unique},
		{"unique-names", Fixed("no two entries have the same `name`"), uniqueNames},
		{"name", Fixed("letters, digits, `-` and `_`, not beginning with `_`"), onString(checkDirectoryName)},
		{"paths", Fixed("each entry is a path; `~` is not expanded"), onEach(onString(checkPath))},
		{"https-url", Fixed("a URL with scheme `https`, or `http` and a loopback address; no user name, password, query or fragment in it"), onString(CheckHTTPSURL)},
		{"account", Fixed("a NATS account: printable ASCII without spaces"), onString(checkAccount)},
		{"bucket", Fixed("letters, digits, `-` and `_`, not beginning with `_`"), bucket},
		{"scopes", Fixed("each entry is `ACCOUNT/ROLE`, with a project role or a service role"), scopes},
		{"mqtt-client-ids", Fixed("each entry is `ACCOUNT: any` or `ACCOUNT: user`"), mqttClientIDs},
		{"claims", Fixed("each entry is `CLAIM=VALUE`; no claim twice"), claims},
		{"line", Fixed("one line"), onString(checkName)},
		{"path", Fixed("a path; `~` is not expanded"), onString(checkPath)},
		{"host", Fixed("a host name or IP address"), onString(checkHost)},
		{"listen", Fixed("`host:port`; without a host, all addresses of the machine; port 0 picks a free port"), onString(checkListen)},
		{"address", Fixed("`host:port`"), onString(checkAddress)},
		{"collector-url", Fixed("a URL with scheme `http` or `https`; no user name, password or query in it; not ending in `/v1/traces`"), onString(checkCollectorURL)},
		{"nats-urls", Fixed("at least one URL of host and port with scheme `nats`, `tls`, `ws` or `wss`; " +
			"no user name or password in it; `ws` and `wss` not together with `nats` and `tls`"), natsURLs},
		{"nats-urls-or-none", Fixed("URLs of host and port with scheme `nats`, `tls`, `ws` or `wss`; " +
			"no user name or password in them; `ws` and `wss` not together with `nats` and `tls`"), natsURLsOrNone},
		{"port", Fixed("a port from 1 to 65535"), onString(checkPort)},
		{"dead-letter-subject", Fixed("tokens of letters, digits, `-`, `_`, `{project}` and `{subscription}`"), onString(checkDeadLetterSubject)},
		{"subject-prefix", Fixed("tokens of letters, digits, `-` and `_`"), onString(checkSubjectPrefix)},
		{"channel-subject", Fixed("tokens of letters, digits, `-` and `_`, with `{channel}` once"), onString(checkChannelSubject)},
	}
}

// Fixed returns the text of a rule without argument.
func Fixed(text string) func(string) string { return func(string) string { return text } }

func faultIf(broken bool, message, hint string) []Fault {
	if !broken {
		return nil
	}
	return []Fault{{Message: message, Hint: hint}}
}

// onString adapts a check of a string. The check returns a message if the string is
// invalid, and a hint. An empty string is valid.
func onString(check func(string) (message, hint string)) func(reflect.Value, string) []Fault {
	return func(v reflect.Value, _ string) []Fault {
		if v.String() == "" {
			return nil
		}
		message, hint := check(v.String())
		return faultIf(message != "", message, hint)
	}
}

func between(v reflect.Value, arg string) []Fault {
	low, high, _ := strings.Cut(arg, "..")
	from, errFrom := strconv.ParseInt(low, 10, 64)
	to, errTo := strconv.ParseInt(high, 10, 64)
	broken := errFrom != nil || errTo != nil || v.Int() < from || v.Int() > to
	return faultIf(broken, fmt.Sprintf("must be from %s to %s, is %d", low, high, v.Int()), "")
}

// ruleDuration parses the duration in a rule's argument; a test ensures that it is valid.
func ruleDuration(arg string) int64 {
	d, err := time.ParseDuration(arg)
	if err != nil {
		return 0
	}
	return int64(d)
}

func oneOf(v reflect.Value, arg string) []Fault {
	words := strings.Split(arg, "|")
	for _, w := range words {
		if v.String() == w {
			return nil
		}
	}
	message := "expected one of " + strings.Join(words, ", ") + ", found " + secret.Quote(v.String())
	if hint := strictyaml.Suggest(v.String(), "", words); strings.HasPrefix(hint, "did you mean") {
		return faultIf(true, message, hint)
	}
	return faultIf(true, message, "")
}

func checkAccount(text string) (message, hint string) {
	if err := directory.CheckAccount(text); err != nil {
		if errors.Is(err, directory.ErrSecret) {
			return err.Error(), secret.Hint
		}
		return "account " + err.Error(), ""
	}
	return "", ""
}

// checkDirectoryName checks a name that follows the rules of names in the directory.
func checkDirectoryName(text string) (message, hint string) {
	switch err := directory.CheckName(text); {
	case err == nil:
		return "", ""
	case errors.Is(err, directory.ErrSecret):
		return err.Error(), secret.Hint
	default:
		return "name " + err.Error(), ""
	}
}

// bucket checks the name of a bucket, which must not be empty.
func bucket(v reflect.Value, _ string) []Fault {
	switch err := directory.CheckName(v.String()); {
	case err == nil:
		return nil
	case v.String() == "":
		return faultIf(true, "must not be empty", "leave the key out for its default")
	case errors.Is(err, directory.ErrSecret):
		return faultIf(true, err.Error(), secret.Hint)
	default:
		return faultIf(true, "bucket "+err.Error(), "")
	}
}

// scopes checks a list of ACCOUNT/ROLE.
func scopes(v reflect.Value, _ string) []Fault {
	var faults []Fault
	seen := map[string]bool{}
	for i := range v.Len() {
		text, at := v.Index(i).String(), fmt.Sprintf("[%d]", i)
		name, role, ok := strings.Cut(text, "/")
		switch message, hint := checkAccount(name); {
		case !ok || name == "":
			faults = append(faults, Fault{at, secret.Quote(text) + " is not ACCOUNT/ROLE", "such as APP/publisher"})
		case message != "":
			faults = append(faults, Fault{at, message, hint})
		case !isRole(role):
			faults = append(faults, Fault{at, secret.Quote(role) + " is not a role", "a project role (publisher, …) or a service role (ingest, …)"})
		case seen[text]:
			faults = append(faults, Fault{at, "is listed twice", ""})
		}
		seen[text] = true
	}
	return faults
}

// mqttClientIDs checks a map of accounts to the client IDs that they allow.
func mqttClientIDs(v reflect.Value, _ string) []Fault {
	var faults []Fault
	for _, key := range v.MapKeys() {
		name := key.String()
		if message, hint := checkAccount(name); message != "" || name == "" {
			if name == "" {
				message = "account names must not be empty"
			}
			faults = append(faults, Fault{"", message, hint})
			continue
		}
		for _, f := range oneOf(v.MapIndex(key), "user|any") {
			faults = append(faults, Fault{strings.TrimPrefix(strictyaml.KeyPath("ids", name), "ids"), f.Message, f.Hint})
		}
	}
	return faults
}

func isRole(role string) bool {
	return slices.Contains(directory.Roles(), directory.Role(role)) ||
		slices.Contains(directory.ServiceRoles(), directory.ServiceRole(role))
}

// program checks a program and its arguments. An empty list is unset.
func program(v reflect.Value, _ string) []Fault {
	if v.Len() == 0 {
		return nil
	}
	argv := make([]string, v.Len())
	for i := range argv {
		argv[i] = v.Index(i).String()
		if secret.Detect(argv[i]) {
			return []Fault{{fmt.Sprintf("[%d]", i), "looks like a secret, found where an argument belongs", secret.Hint}}
		}
	}
	if err := issuer.CheckProgram(argv); err != nil {
		return faultIf(true, err.Error(), "use the absolute path of the program, or its bare name if it is in PATH")
	}
	return nil
}

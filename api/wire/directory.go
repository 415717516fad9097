package wire

// ImportLine is one line of what an import answers, one JSON object each: of a dry
// run what would change, otherwise how far it is; the last one holds a Result or
// an Error. Beyond AMS, as is all that follows.
type ImportLine struct {
	Diff     string        `json:"diff,omitempty"`     // "+ user alice (2 keys)"
	Accounts bool          `json:"accounts,omitempty"` // Done and Total count accounts of projects, which are made first
	Done     int           `json:"done,omitempty"`     // entries that are changed
	Total    int           `json:"total,omitempty"`
	Result   *ImportResult `json:"result,omitempty"`
	Error    *ErrorBody    `json:"error,omitempty"`
}

// ImportResult is what an import has changed, or would change.
type ImportResult struct {
	DryRun  bool         `json:"dry_run"`
	Entries int          `json:"entries"`
	Counts  ImportCounts `json:"counts"`
}

// ImportCounts says how much of each kind comes, changes and goes.
type ImportCounts struct {
	Users         ImportCount `json:"users"`
	Keys          ImportCount `json:"keys"`
	Projects      ImportCount `json:"projects"`
	Members       ImportCount `json:"members"`
	Topics        ImportCount `json:"topics"`
	Subscriptions ImportCount `json:"subscriptions"`
	ACLs          ImportCount `json:"acls"`
}

// ImportCount is how many of one kind.
type ImportCount struct {
	Added   int `json:"added"`
	Changed int `json:"changed"`
	Removed int `json:"removed"`
}

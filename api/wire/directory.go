package wire

// ImportLine is one line of the response to an import: one JSON object. A dry run returns
// one line for each change that the import would make; otherwise lines report the
// progress. The last line has a Result or an Error. AMS has none of the types in this file.
type ImportLine struct {
	Diff     string        `json:"diff,omitempty"`     // "+ user alice (2 keys)"
	Accounts bool          `json:"accounts,omitempty"` // Done and Total count accounts of projects, which are created first
	Done     int           `json:"done,omitempty"`     // entries that were changed
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

// ImportCounts counts the changes of each kind of resource.
type ImportCounts struct {
	Users         ImportCount `json:"users"`
	Keys          ImportCount `json:"keys"`
	Projects      ImportCount `json:"projects"`
	Members       ImportCount `json:"members"`
	Topics        ImportCount `json:"topics"`
	Subscriptions ImportCount `json:"subscriptions"`
	ACLs          ImportCount `json:"acls"`
	Bans          ImportCount `json:"bans"`
}

// ImportCount counts the changes of one kind of resource.
type ImportCount struct {
	Added   int `json:"added"`
	Changed int `json:"changed"`
	Removed int `json:"removed"`
}

package podtemplate

// The bounds, and what a call of Find takes off them.
const (
	MaxValues   = maxValues
	MaxDepth    = maxDepth
	MaxPointer  = maxPointer
	MaxFindings = maxFindings
)

// Spent returns how many values, and bytes of text, Find looks at in an object.
func Spent(object map[string]any) (values, text int) {
	w := walker{values: maxValues, text: maxText}
	w.visit(object, nil, surroundings{})
	return maxValues - w.values, maxText - w.text
}

import type { HuggingFaceLayout } from '../checkpoint/exports/hugging-face.ts'
import type { ModelCard } from './catalog.ts'

/** The README.md of an export, as model hubs show it. */
export function exportCard(
	{ id, trainingStep, lastLoss, contextLength, domain }: ModelCard,
	layout: HuggingFaceLayout,
	remark: string,
	parameterCount: number,
): string {
	const trust = layout === 'own' ? ', trust_remote_code=True' : ''
	return `---
library_name: transformers
pipeline_tag: text-generation
---

# ${id}

| | |
|---|---|
| parameters | ${parameterCount.toLocaleString('en-US')} |
| training step | ${trainingStep} |
| last loss | ${lastLoss === null ? 'unknown' : lastLoss.toFixed(4)} |
| context | ${contextLength ?? 'unknown'} tokens |
| domain | ${domain} |

Trained from scratch and exported by Alpha: ${remark}.

\`\`\`python
from transformers import AutoModelForCausalLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("DIRECTORY"${trust})
model = AutoModelForCausalLM.from_pretrained("DIRECTORY"${trust})
inputs = tokenizer("Once", return_tensors="pt")
print(tokenizer.decode(model.generate(**inputs, max_new_tokens=50)[0]))
\`\`\`
`
}

/**
 * The program with everything loaded that it loads only where it is used: what runs to fill the compile cache.
 */

import { loadParts } from '../../src/index.ts';

await loadParts();
await import('../main.ts');

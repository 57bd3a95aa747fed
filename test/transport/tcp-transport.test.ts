import { nodeId } from '../../src/base/ids.ts';
import { one, three, transportContract, two } from '../contract/transport.ts';
import { tcpHarness } from './tcp-harness.ts';

transportContract('the TCP transport', () => tcpHarness([one, two, three, nodeId(9)]));
